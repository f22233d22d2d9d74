/** Names and values of a thing, in as many columns as there is room for. */
import {
  DescriptionList,
  DescriptionListDescription,
  DescriptionListGroup,
  DescriptionListTerm,
} from "@patternfly/react-core";
import type { ReactNode } from "react";

/** `false` stands for a fact that does not apply. */
export function Facts({ facts }: { facts: readonly ({ name: string; value: ReactNode } | false)[] }) {
  return (
    <DescriptionList isCompact columnModifier={{ default: "1Col", md: "2Col" }}>
      {facts.map(
        (fact) =>
          fact && (
            <DescriptionListGroup key={fact.name}>
              <DescriptionListTerm>{fact.name}</DescriptionListTerm>
              <DescriptionListDescription>{fact.value}</DescriptionListDescription>
            </DescriptionListGroup>
          ),
      )}
    </DescriptionList>
  );
}
