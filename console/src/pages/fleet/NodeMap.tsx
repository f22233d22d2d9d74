/** Every node as a square, the fuller the darker. */
import { FormSelect, FormSelectOption } from "@patternfly/react-core";
import { type KeyboardEvent, type MouseEvent, memo, useId, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useNavigate } from "react-router";
import type { FleetNode } from "@/api/fleet";
import { percent } from "@/parts/format";
import { shareText } from "@/pages/nodes/units";
import { Status, statusText } from "@/parts/Status";
import { urls } from "@/urls";
import { heatOf, type Measure, measures, moved, SHADES, shadeOf } from "./heat";

/** Up to here the squares are large. */
const FEW = 60;
/** Neither here nor answering: its figures say nothing about what is free. */
const gone = new Set(["offline", "failed"]);

const known = (node: FleetNode, measure: Measure) => (gone.has(node.status) ? undefined : heatOf(node, measure));

export function NodeMap({ nodes }: { nodes: FleetNode[] }) {
  const { t } = useTranslation("fleet");
  const navigate = useNavigate();
  const choice = useId();
  const [measure, setMeasure] = useState<Measure>("cpu");
  const [at, setAt] = useState(0);
  const [pointed, setPointed] = useState<number>();
  const map = useRef<HTMLDivElement>(null);
  const current = Math.min(at, nodes.length - 1);
  const told = nodes[pointed ?? current];
  const hasGpus = nodes.some((node) => node.total_gpu_count > 0);

  const indexOf = (event: { target: EventTarget }): number | undefined => {
    const index = event.target instanceof HTMLElement ? event.target.dataset["index"] : undefined;
    return index === undefined ? undefined : Number(index);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const index = indexOf(event);
    const squares = map.current?.children;
    if (index === undefined || !squares) return;
    // The first square of the second row tells how long a row is.
    const top = (squares[0] as HTMLElement).offsetTop;
    const second = [...squares].findIndex((square) => (square as HTMLElement).offsetTop > top);
    const next = moved(index, event.key, second < 0 ? squares.length : second, squares.length);
    if (next === undefined) return;
    event.preventDefault();
    (squares[next] as HTMLElement).focus();
  };
  const onClick = (event: MouseEvent) => {
    const node = nodes[indexOf(event) ?? -1];
    // A new tab is the browser's.
    if (!node || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    void navigate(urls.node(node.id));
  };
  return (
    <>
      <div className="berth-map-head">
        <span className="berth-map-choice">
          <label htmlFor={choice}>{t("fleet.map_colour")}</label>
          <FormSelect id={choice} value={measure} onChange={(_, value) => setMeasure(value as Measure)}>
            {measures
              .filter((value) => value !== "gpu" || hasGpus)
              .map((value) => (
                <FormSelectOption key={value} value={value} label={t(`fleet.by.${value}`)} />
              ))}
          </FormSelect>
        </span>
        <span className="berth-map-legend" aria-hidden="true">
          {t("fleet.legend_empty")}
          {Array.from({ length: SHADES }, (_, shade) => (
            <span key={shade} className={`berth-map-node shade-${shade}`} />
          ))}
          {t("fleet.legend_full")}
          <span className="berth-map-node off" />
          {t("fleet.legend_off")}
        </span>
      </div>
      <div className="berth-map-told" aria-hidden="true">
        {told && <Told node={told} />}
      </div>
      <div
        ref={map}
        className={nodes.length <= FEW ? "berth-map berth-map-few" : "berth-map"}
        role="group"
        aria-label={t("fleet.map")}
        onKeyDown={onKeyDown}
        onClick={onClick}
        onFocus={(event) => {
          setAt(indexOf(event) ?? current);
          setPointed(undefined);
        }}
        onMouseOver={(event) => setPointed(indexOf(event))}
        onMouseLeave={() => setPointed(undefined)}
      >
        {nodes.map((node, index) => {
          const heat = known(node, measure);
          const value = heat === undefined ? t("fleet.map_unknown") : percent(heat);
          return (
            <Square
              key={node.id}
              id={node.id}
              index={index}
              shade={heat === undefined ? undefined : shadeOf(heat)}
              label={t("fleet.map_label", { name: node.name, status: statusText("node_status", node.status), value })}
              reachable={index === current}
            />
          );
        })}
      </div>
      <p className="berth-quiet">
        {t("fleet.map_hint")} <Link to={urls.nodes()}>{t("fleet.map_table")}</Link>
      </p>
    </>
  );
}

interface SquareProps {
  id: string;
  index: number;
  shade: number | undefined;
  label: string;
  reachable: boolean;
}

const Square = memo(function Square({ id, index, shade, label, reachable }: SquareProps) {
  return (
    <a
      href={urls.node(id)}
      data-index={index}
      className={shade === undefined ? "berth-map-node off" : `berth-map-node shade-${shade}`}
      aria-label={label}
      tabIndex={reachable ? 0 : -1}
    />
  );
});

/** What hovering and focus tell; a screen reader hears the square's own label. */
function Told({ node }: { node: FleetNode }) {
  const { t } = useTranslation("fleet");
  const { t: word } = useTranslation("enums");
  const of = (kind: "cpu" | "memory" | "gpu", used: number, total: number) =>
    `${word(`resource_kind.${kind}`)} ${shareText(t, kind, used, total)}`;
  const told = [
    of("cpu", node.allocated_cpu_cores, node.total_cpu_cores),
    of("memory", node.allocated_memory_gb, node.total_memory_gb),
    ...(node.total_gpu_count > 0 ? [of("gpu", node.allocated_gpu_count, node.total_gpu_count)] : []),
    t("fleet.sessions_count", { count: node.session_count }),
    ...(typeof node.cpu_percent === "number" ? [`${t("fleet.by.cpu_load")} ${percent(node.cpu_percent)}`] : []),
    ...(typeof node.memory_percent === "number" ? [`${t("fleet.by.memory_load")} ${percent(node.memory_percent)}`] : []),
  ];
  return (
    <>
      <strong>{node.name}</strong> <Status kind="node_status" value={node.status} />{" "}
      <span className="berth-quiet">{told.join(" · ")}</span>
    </>
  );
}
