import { Card, CardBody, FormSelect, FormSelectOption } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import { chartSeries, METRIC_RANGES, type MetricSeries, useMetrics } from "@/api/metrics";
import type { Session } from "@/api/sessions";
import { MetricChart } from "@/parts/MetricChart";
import { Answer } from "@/parts/page";
import { useFilters } from "@/parts/useFilters";

const RANGE = ["range"];
/** Bytes. */
const GB = 1024 ** 3;

export function MetricsTab({ session }: { session: Session }) {
  const { t } = useTranslation("sessions");
  const [{ range }, change] = useFilters(RANGE);
  const minutes = METRIC_RANGES.find((choice) => String(choice) === range) ?? 60;
  const query = useMetrics("sessions", session.id, minutes);
  return (
    <div className="berth-stack">
      <div className="berth-screen-bar">
        <label htmlFor="metric-range">{t("metrics.range")}</label>
        <FormSelect
          id="metric-range"
          className="berth-narrow"
          value={String(minutes)}
          onChange={(_, value) => change({ range: value })}
        >
          {METRIC_RANGES.map((choice) => (
            <FormSelectOption key={choice} value={String(choice)} label={t(`metrics.minutes.${choice}`)} />
          ))}
        </FormSelect>
      </div>
      <Answer query={query}>{(series) => <Charts session={session} series={series} />}</Answer>
    </div>
  );
}

function Charts({ session, series }: { session: Session; series: readonly MetricSeries[] }) {
  const { t } = useTranslation("sessions");
  const of = (type: Parameters<typeof chartSeries>[1], label: string) => chartSeries(series, type, label);
  const gpu = of("gpu_percent", t("metrics.gpu"));
  const gpuMemory = of("gpu_memory_used", t("metrics.gpu_memory"));
  const charts = [
    <MetricChart key="cpu" title={t("metrics.cpu")} unit="percent" max={100} series={of("cpu_percent", t("metrics.cpu"))} />,
    <MetricChart
      key="memory"
      title={t("metrics.memory")}
      unit="bytes"
      max={session.memory_limit_gb * GB}
      series={of("memory_used", t("metrics.memory"))}
    />,
    <MetricChart
      key="network"
      title={t("metrics.network")}
      unit="bytes_per_second"
      series={[...of("network_receive", t("metrics.received")), ...of("network_transmit", t("metrics.sent"))]}
    />,
    <MetricChart
      key="disk"
      title={t("metrics.disk")}
      unit="bytes_per_second"
      series={[...of("disk_read", t("metrics.read")), ...of("disk_write", t("metrics.written"))]}
    />,
    ...(gpu.length ? [<MetricChart key="gpu" title={t("metrics.gpu")} unit="percent" max={100} series={gpu} />] : []),
    ...(gpuMemory.length ? [<MetricChart key="gpu_memory" title={t("metrics.gpu_memory")} unit="bytes" series={gpuMemory} />] : []),
    <MetricChart key="storage" title={t("metrics.storage")} unit="bytes" series={of("storage_used", t("metrics.storage"))} />,
    <MetricChart key="processes" title={t("metrics.processes")} unit="count" series={of("processes", t("metrics.processes"))} />,
  ];
  return (
    <div className="berth-card-grid">
      {charts.map((chart) => (
        <Card key={chart.key} isCompact>
          <CardBody>{chart}</CardBody>
        </Card>
      ))}
    </div>
  );
}
