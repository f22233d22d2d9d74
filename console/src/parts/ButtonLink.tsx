/** A link that looks like a button. It stays the same element when the page changes around it, and keeps its focus. */
import { Button, type ButtonProps } from "@patternfly/react-core";
import { useHref, useLinkClickHandler } from "react-router";

export function ButtonLink({ to, ...props }: Omit<ButtonProps, "component" | "href" | "onClick"> & { to: string }) {
  const href = useHref(to);
  const follow = useLinkClickHandler<HTMLAnchorElement>(to);
  // PatternFly's type knows only of buttons; with `component="a"` it is an anchor that is clicked.
  const onClick = follow as unknown as ButtonProps["onClick"];
  return <Button {...props} component="a" href={href} {...(onClick ? { onClick } : {})} />;
}
