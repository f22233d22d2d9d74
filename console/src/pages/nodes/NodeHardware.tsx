import { Alert, Card, CardBody, CardTitle } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { NodeDetail } from "@/api/nodes";
import { CapacityBar } from "@/parts/CapacityBar";
import { bytes, number, percent } from "@/parts/format";

const MIB = 1_048_576;

export function NodeHardware({ node }: { node: NodeDetail }) {
  const { t } = useTranslation(["fleet", "enums"]);
  const { facts } = node;
  const rate = (mbps: number | null | undefined) => mbps && t("figure.amount", { amount: number(mbps), unit: t("unit.network") });
  const model = (index: number) => facts?.gpus.find((gpu) => gpu.index === index)?.driver_version;
  return (
    <div className="berth-node-stack">
      {!facts && <Alert isInline variant="info" component="h2" title={t("hardware.simulated")} />}
      <Facts
        title={t("hardware.interfaces")}
        head={["name", "status", "kind", "address", "mac", "speed", "duplex", "driver", "firmware", "pci", "numa"]}
        rows={node.network_interfaces.map((nic) => [
          nic.interface_name,
          nic.status,
          t(`enums:interface_type.${nic.interface_type}`),
          nic.ip_address,
          nic.mac_address,
          rate(nic.speed_mbps),
          nic.duplex,
          nic.driver,
          nic.firmware_version,
          nic.pci_slot,
          nic.numa_node,
        ])}
      />
      <Facts
        title={t("hardware.gpus")}
        head={["index", "model", "memory", "driver", "uuid", "allocated"]}
        rows={node.gpu_devices.map((gpu) => [
          gpu.device_index,
          gpu.model,
          t("figure.amount", { amount: number(gpu.memory_gb), unit: t("unit.memory") }),
          model(gpu.device_index),
          gpu.uuid,
          <CapacityBar key="allocated" used={gpu.allocated_milli} total={1000} text={percent(gpu.allocated_milli / 10)} />,
        ])}
      />
      {facts && (
        <>
          <Facts
            title={t("hardware.disks")}
            head={["name", "model", "size", "rotational"]}
            rows={facts.disks.map((disk) => [
              disk.name,
              disk.model,
              bytes(disk.size_mib * MIB),
              disk.rotational ? t("hardware.hdd") : t("hardware.ssd"),
            ])}
          />
          <Facts
            title={t("hardware.filesystems")}
            head={["mount", "fs_kind", "size", "used"]}
            rows={facts.filesystems.map((fs) => {
              const used = fs.size_mib - fs.available_mib;
              return [
                fs.mount_point,
                fs.kind,
                bytes(fs.size_mib * MIB),
                <CapacityBar key="used" used={used} total={fs.size_mib} text={bytes(used * MIB)} />,
              ];
            })}
          />
        </>
      )}
    </div>
  );
}

type HeadKey =
  | "name" | "status" | "kind" | "address" | "mac" | "speed" | "duplex" | "driver" | "firmware" | "pci" | "numa"
  | "index" | "model" | "memory" | "uuid" | "allocated" | "size" | "rotational" | "mount" | "fs_kind" | "used";

interface FactsProps {
  title: string;
  head: readonly HeadKey[];
  rows: ReactNode[][];
}

function Facts({ title, head, rows }: FactsProps) {
  const { t } = useTranslation("fleet");
  return (
    <Card>
      <CardTitle component="h2">{title}</CardTitle>
      <CardBody>
        {rows.length === 0 ? (
          <p className="berth-quiet">{t("hardware.none")}</p>
        ) : (
          <div className="berth-node-table" role="region" aria-label={title} tabIndex={0}>
            <Table variant="compact" aria-label={title} gridBreakPoint="grid-lg">
              <Thead>
                <Tr>
                  {head.map((key) => (
                    <Th key={key} modifier="nowrap">{t(`hardware.${key}`)}</Th>
                  ))}
                </Tr>
              </Thead>
              <Tbody>
                {rows.map((row, index) => (
                  <Tr key={index}>
                    {head.map((key, at) => (
                      <Td key={key} dataLabel={t(`hardware.${key}`)}>
                        {row[at] ?? "–"}
                      </Td>
                    ))}
                  </Tr>
                ))}
              </Tbody>
            </Table>
          </div>
        )}
      </CardBody>
    </Card>
  );
}
