/** Icons of the catalogue, by the names that applications give. */
import { BookOpenIcon } from "@patternfly/react-icons/dist/esm/icons/book-open-icon";
import { BrainIcon } from "@patternfly/react-icons/dist/esm/icons/brain-icon";
import { ChartLineIcon } from "@patternfly/react-icons/dist/esm/icons/chart-line-icon";
import { CodeIcon } from "@patternfly/react-icons/dist/esm/icons/code-icon";
import { CubeIcon } from "@patternfly/react-icons/dist/esm/icons/cube-icon";
import { DatabaseIcon } from "@patternfly/react-icons/dist/esm/icons/database-icon";
import { DesktopIcon } from "@patternfly/react-icons/dist/esm/icons/desktop-icon";
import { FlaskIcon } from "@patternfly/react-icons/dist/esm/icons/flask-icon";
import { GlobeIcon } from "@patternfly/react-icons/dist/esm/icons/globe-icon";
import { ImageIcon } from "@patternfly/react-icons/dist/esm/icons/image-icon";
import { ListIcon } from "@patternfly/react-icons/dist/esm/icons/list-icon";
import { MicrochipIcon } from "@patternfly/react-icons/dist/esm/icons/microchip-icon";
import { TerminalIcon } from "@patternfly/react-icons/dist/esm/icons/terminal-icon";
import type { ComponentType } from "react";

export const icons = {
  terminal: TerminalIcon,
  globe: GlobeIcon,
  list: ListIcon,
  notebook: BookOpenIcon,
  code: CodeIcon,
  desktop: DesktopIcon,
  flask: FlaskIcon,
  brain: BrainIcon,
  image: ImageIcon,
  database: DatabaseIcon,
  chart: ChartLineIcon,
  gpu: MicrochipIcon,
  cube: CubeIcon,
} satisfies Record<string, ComponentType>;

export type IconName = keyof typeof icons;

export function ApplicationIcon({ name }: { name: string | null | undefined }) {
  const Icon = icons[name as IconName] ?? CubeIcon;
  return (
    <span className="berth-application-icon" aria-hidden="true">
      <Icon />
    </span>
  );
}
