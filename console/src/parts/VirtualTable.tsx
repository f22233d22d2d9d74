/** The rows of a long list: only those in sight, and some around them, exist in the document. */
import { Checkbox, Spinner } from "@patternfly/react-core";
import { Table, Tbody, Td, Tr } from "@patternfly/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, type ReactNode, type Ref, useCallback, useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { Column } from "./ListPage";

interface RowShape<T> {
  columns: readonly Column<T>[];
  rowName: (row: T) => string;
  rowActions?: ((row: T) => ReactNode) | undefined;
  /** Whether rows can be chosen for a bulk action. */
  selectable: boolean;
  onSelect: (id: string, on: boolean) => void;
}

interface RowProps<T> extends RowShape<T> {
  row: T;
  id: string;
  index: number;
  selected: boolean;
  measure: Ref<HTMLTableRowElement>;
}

function PlainRow<T>({ row, id, index, selected, measure, columns, rowName, rowActions, selectable, onSelect }: RowProps<T>) {
  const { t } = useTranslation();
  return (
    <Tr ref={measure} data-index={index} aria-rowindex={index + 2}>
      {selectable && (
        <Td className="berth-check">
          <Checkbox
            id={`select-${id}`}
            aria-label={t("list.select_row", { name: rowName(row) })}
            isChecked={selected}
            onChange={(_, on) => onSelect(id, on)}
          />
        </Td>
      )}
      {columns.map((column, position) => (
        <Td key={column.key} dataLabel={column.title} className={position === 0 ? "berth-name" : undefined}>
          {column.render(row)}
        </Td>
      ))}
      {rowActions && <Td isActionCell>{rowActions(row)}</Td>}
    </Tr>
  );
}

/** Scrolling draws the rows that come into sight and leaves the others as they are. */
const Row = memo(PlainRow) as typeof PlainRow;

interface Props<T> extends RowShape<T> {
  label: string;
  rows: readonly T[];
  rowId: (row: T) => string;
  selected: ReadonlySet<string>;
  head: ReactNode;
  /** More rows can be had. */
  hasMore: boolean;
  loadingMore: boolean;
  /** The reader comes near the end of what is there. */
  onNearEnd: () => void;
}

/** Height of a row before it was measured, in pixels. */
const ROW_PX = 43;
/** Rows from the end at which the next page is asked for. */
const AHEAD = 50;

export function VirtualTable<T>(props: Props<T>) {
  const { t } = useTranslation();
  const { rows, rowId, hasMore, loadingMore, onNearEnd, columns } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const getItemKey = useCallback(
    (index: number) => {
      const row = rows[index];
      return row === undefined ? index : rowId(row);
    },
    [rows, rowId],
  );
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 8,
    getItemKey,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  const nearEnd = hasMore && !loadingMore && last >= rows.length - AHEAD;
  useEffect(() => {
    if (nearEnd) onNearEnd();
  }, [nearEnd, onNearEnd]);
  const above = items[0]?.start ?? 0;
  const below = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  const width = columns.length + (props.selectable ? 1 : 0) + (props.rowActions ? 1 : 0);
  return (
    <div
      className="berth-scroller"
      ref={scroller}
      role="region"
      aria-label={props.label}
      tabIndex={0}
      data-testid="scroller"
    >
      <Table
        aria-label={props.label}
        aria-rowcount={hasMore ? -1 : rows.length}
        variant="compact"
        isStickyHeader
        gridBreakPoint="grid-md"
      >
        {props.head}
        <Tbody>
          {above > 0 && <Spacer width={width} height={above} />}
          {items.map((item) => {
            const row = rows[item.index];
            if (row === undefined) return null;
            const id = rowId(row);
            return (
              <Row
                key={id}
                row={row}
                id={id}
                index={item.index}
                selected={props.selected.has(id)}
                measure={virtual.measureElement}
                columns={columns}
                rowName={props.rowName}
                rowActions={props.rowActions}
                selectable={props.selectable}
                onSelect={props.onSelect}
              />
            );
          })}
          {below > 0 && <Spacer width={width} height={below} />}
        </Tbody>
      </Table>
      {loadingMore && (
        <div className="berth-more">
          <Spinner size="md" aria-label={t("list.loading_more")} />
        </div>
      )}
    </div>
  );
}

/** Stands for rows that do not exist in the document; `height` in pixels. */
function Spacer({ width, height }: { width: number; height: number }) {
  return (
    <Tr aria-hidden="true" className="berth-spacer">
      <Td colSpan={width} style={{ height, padding: 0 }} />
    </Tr>
  );
}
