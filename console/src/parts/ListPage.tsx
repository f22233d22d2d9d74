/**
 * The pattern of every list: filters in the address, rows that load as the reader scrolls and of which only the visible
 * ones exist in the document, bulk actions, export, and an empty page that says what to do.
 */
import {
  Button,
  Checkbox,
  FormSelect,
  FormSelectOption,
  SearchInput,
  Toolbar,
  ToolbarContent,
  ToolbarFilter,
  ToolbarGroup,
  ToolbarItem,
  ToolbarToggleGroup,
} from "@patternfly/react-core";
import { FilterIcon } from "@patternfly/react-icons/dist/esm/icons/filter-icon";
import { Th, Thead, Tr } from "@patternfly/react-table";
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Page } from "@/api/client";
import { type Domain, type ListQuery, loadAll, useList } from "@/api/queries";
import { toast, toastError } from "@/frame/Toasts";
import { ActionMenu } from "./ActionMenu";
import { Confirm } from "./Confirm";
import { saveCsv } from "./csv";
import { Empty, Failed, Loading, PageBody, PageHead } from "./page";
import { type Filters, useFilters } from "./useFilters";
import { VirtualTable } from "./VirtualTable";

export interface Column<T> {
  key: string;
  title: string;
  render: (row: T) => ReactNode;
  /** The value in an export; columns without are left out of it. */
  csv?: (row: T) => unknown;
  /** Share of the width, in CSS terms such as `20%`. */
  width?: string;
  /** The server's name to sort by; `-name` is the other direction. */
  sort?: string;
}

export type Filter =
  | { kind: "search"; name: string; label: string }
  | { kind: "choice"; name: string; label: string; options: readonly { value: string; label: string }[] };

export interface BulkAction<T> {
  key: string;
  label: string;
  danger?: boolean;
  /** Whether it makes sense for a row; others are left out. */
  fits?: (row: T) => boolean;
  /** What is asked before; none: it is done at once. */
  question?: (rows: T[]) => { title: string; body: ReactNode };
  run: (row: T) => Promise<unknown>;
}

interface Props<T, Q extends object> {
  title: string;
  description?: ReactNode;
  actions?: ReactNode;
  domain: Domain;
  /** Parts of the question that are not filters of the page. */
  query?: Q;
  load: (query: Q & Filters & ListQuery) => Promise<Page<T>>;
  columns: readonly Column<T>[];
  filters?: readonly Filter[];
  bulk?: readonly BulkAction<T>[];
  rowId: (row: T) => string;
  rowName: (row: T) => string;
  rowActions?: (row: T) => ReactNode;
  empty: { title: string; body: ReactNode; action?: ReactNode };
  /** Name of the exported file. */
  csv: string;
  /** Between head and table. */
  children?: ReactNode;
  /** Inside of another page: without a head of its own. */
  embedded?: boolean;
}

export function ListPage<T, Q extends object = object>(props: Props<T, Q>) {
  const { t } = useTranslation();
  const { columns, rowId, rowName } = props;
  const filters = useMemo(() => props.filters ?? [], [props.filters]);
  const bulk = props.bulk ?? [];
  const names = useMemo(() => [...filters.map((filter) => filter.name), "sort"], [filters]);
  const [values, change] = useFilters(names);
  const query = { ...(props.query as Q), ...values } as Q & Filters;
  const list = useList<T, Q & Filters>(props.domain, query, props.load);
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items) ?? [], [list.data]);
  const filtered = filters.some((filter) => values[filter.name]);

  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const chosen = rows.filter((row) => selected.has(rowId(row)));
  const [asking, setAsking] = useState<BulkAction<T>>();
  const [busy, setBusy] = useState<string>();

  const select = useCallback((id: string, on: boolean) => {
    setSelected((before) => {
      const after = new Set(before);
      if (on) after.add(id);
      else after.delete(id);
      return after;
    });
  }, []);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const loadMore = useCallback(() => void fetchNextPage(), [fetchNextPage]);

  const runBulk = async (action: BulkAction<T>) => {
    const fitting = chosen.filter((row) => action.fits?.(row) ?? true);
    setBusy(action.key);
    // All of them, whatever happens to one: each refusal is told with its row.
    for (const row of fitting) {
      try {
        await action.run(row);
      } catch (error) {
        toastError(`${action.label}: ${rowName(row)}`, error);
      }
    }
    setBusy(undefined);
    setSelected(new Set());
    void list.refetch();
  };

  const exportCsv = async () => {
    const shown = columns.filter((column) => column.csv);
    setBusy("csv");
    try {
      const all = await loadAll<T, Q & Filters>(query, props.load, (count) => {
        if (count >= 2_000) toast("info", t("list.exporting", { count }));
      });
      saveCsv(
        props.csv,
        shown.map((column) => column.title),
        all.map((row) => shown.map((column) => column.csv?.(row))),
      );
      toast("success", t("list.exported", { count: all.length }));
    } catch (error) {
      toastError(t("action.export_csv"), error);
    }
    setBusy(undefined);
  };

  const clear = () => change(Object.fromEntries(filters.map((filter) => [filter.name, undefined])));
  const sortOf = (column: Column<T>) => {
    if (!column.sort) return {};
    const current = values.sort;
    const active = current === column.sort || current === `-${column.sort}`;
    return {
      sort: {
        columnIndex: columns.indexOf(column),
        sortBy: active
          ? { index: columns.indexOf(column), direction: current === column.sort ? ("asc" as const) : ("desc" as const) }
          : {},
        onSort: () => change({ sort: current === column.sort ? `-${column.sort}` : column.sort }),
      },
    };
  };

  const table = () => {
    if (list.error && rows.length === 0) return <Failed error={list.error} retry={() => void list.refetch()} />;
    if (list.isPending) return <Loading />;
    if (rows.length === 0) {
      return filtered ? (
        <Empty
          title={t("list.no_match_title")}
          body={t("list.no_match_body")}
          action={
            <Button variant="link" onClick={clear}>
              {t("action.clear_filters")}
            </Button>
          }
        />
      ) : (
        <Empty title={props.empty.title} body={props.empty.body} action={props.empty.action} />
      );
    }
    const head = (
      <Thead>
        <Tr>
          {bulk.length > 0 && (
            <Th screenReaderText={t("list.select_all")} className="berth-check">
              <Checkbox
                id="select-all"
                aria-label={t("list.select_all")}
                isChecked={chosen.length === rows.length ? true : chosen.length > 0 ? null : false}
                onChange={(_, on) => setSelected(on ? new Set(rows.map(rowId)) : new Set())}
              />
            </Th>
          )}
          {columns.map((column) => (
            <Th key={column.key} modifier="nowrap" style={column.width ? { width: column.width } : undefined} {...sortOf(column)}>
              {column.title}
            </Th>
          ))}
          {props.rowActions && <Th screenReaderText={t("action.more")} />}
        </Tr>
      </Thead>
    );
    return (
      <VirtualTable
        label={props.title}
        rows={rows}
        rowId={rowId}
        rowName={rowName}
        columns={columns}
        rowActions={props.rowActions}
        selectable={bulk.length > 0}
        selected={selected}
        onSelect={select}
        head={head}
        hasMore={hasNextPage}
        loadingMore={isFetchingNextPage}
        onNearEnd={loadMore}
      />
    );
  };

  const choices = filters.filter((filter) => filter.kind === "choice");
  const body = (
    <>
      {props.children}
      <Toolbar
        clearAllFilters={clear}
        clearFiltersButtonText={t("action.clear_filters")}
        collapseListedFiltersBreakpoint="md"
        inset={{ default: "insetNone" }}
      >
        <ToolbarContent>
          {filters.map(
            (filter) =>
              filter.kind === "search" && (
                <ToolbarItem key={filter.name} className="berth-search">
                  <Search label={filter.label} value={values[filter.name] ?? ""} onChange={(text) => change({ [filter.name]: text })} />
                </ToolbarItem>
              ),
          )}
          {choices.length > 0 && (
            <ToolbarToggleGroup toggleIcon={<FilterIcon />} breakpoint="md" aria-label={t("list.filters")}>
              <ToolbarGroup variant="filter-group">
                {choices.map((filter) => {
                  const value = values[filter.name];
                  const label = filter.options.find((option) => option.value === value)?.label ?? value;
                  return (
                    <ToolbarFilter
                      key={filter.name}
                      labels={label ? [label] : []}
                      deleteLabel={() => change({ [filter.name]: undefined })}
                      categoryName={filter.label}
                    >
                      <FormSelect
                        aria-label={filter.label}
                        value={value ?? ""}
                        onChange={(_, next) => change({ [filter.name]: next })}
                      >
                        <FormSelectOption value="" label={`${filter.label}: ${t("list.all")}`} />
                        {filter.options.map((option) => (
                          <FormSelectOption key={option.value} value={option.value} label={option.label} />
                        ))}
                      </FormSelect>
                    </ToolbarFilter>
                  );
                })}
              </ToolbarGroup>
            </ToolbarToggleGroup>
          )}
          {chosen.length > 0 && (
            <ToolbarGroup>
              <ToolbarItem alignSelf="center">{t("list.selected", { count: chosen.length })}</ToolbarItem>
              {bulk.map((action) => {
                const fitting = chosen.filter((row) => action.fits?.(row) ?? true);
                return (
                  <ToolbarItem key={action.key}>
                    <Button
                      variant={action.danger ? "danger" : "secondary"}
                      isDisabled={fitting.length === 0 || busy !== undefined}
                      isLoading={busy === action.key}
                      onClick={() => (action.question ? setAsking(action) : void runBulk(action))}
                    >
                      {action.label}
                    </Button>
                  </ToolbarItem>
                );
              })}
            </ToolbarGroup>
          )}
          <ToolbarGroup align={{ default: "alignEnd" }}>
            <ToolbarItem alignSelf="center" className="berth-quiet berth-count">
              {rows.length > 0 && (hasNextPage ? t("list.rows_more", { count: rows.length }) : t("list.rows", { count: rows.length }))}
            </ToolbarItem>
            <ToolbarItem>
              <ActionMenu
                busy={busy === "csv"}
                actions={[
                  { key: "refresh", label: t("action.refresh"), run: () => void list.refetch() },
                  { key: "csv", label: t("action.export_csv"), run: () => void exportCsv() },
                ]}
              />
            </ToolbarItem>
          </ToolbarGroup>
        </ToolbarContent>
      </Toolbar>
      {table()}
      {asking && (
        <Confirm
          title={asking.question?.(chosen.filter((row) => asking.fits?.(row) ?? true)).title ?? asking.label}
          action={asking.label}
          danger={asking.danger ?? false}
          onConfirm={() => runBulk(asking)}
          onClose={() => setAsking(undefined)}
        >
          {asking.question?.(chosen.filter((row) => asking.fits?.(row) ?? true)).body}
        </Confirm>
      )}
    </>
  );
  if (props.embedded) return <div className="berth-embedded-list">{body}</div>;
  return (
    <>
      <PageHead title={props.title} description={props.description} actions={props.actions} />
      <PageBody fill>{body}</PageBody>
    </>
  );
}

interface SearchProps {
  label: string;
  value: string;
  onChange: (text: string) => void;
}

/** Milliseconds without typing after which the server is asked. */
const PAUSE_MS = 250;

function Search({ label, value, onChange }: SearchProps) {
  const [text, setText] = useState(value);
  const sent = useRef(value);
  useEffect(() => {
    // Changed by back, forward or "clear filters".
    if (value !== sent.current) {
      sent.current = value;
      setText(value);
    }
  }, [value]);
  useEffect(() => {
    if (text === sent.current) return undefined;
    const timer = window.setTimeout(() => {
      sent.current = text;
      onChange(text);
    }, PAUSE_MS);
    return () => window.clearTimeout(timer);
  });
  return (
    <SearchInput
      aria-label={label}
      placeholder={label}
      value={text}
      data-shortcut="search"
      onChange={(_, next) => setText(next)}
      onClear={() => setText("")}
    />
  );
}
