/** What an operator may change while Berth runs. */
import { api, type Page, type Schemas, take } from "./client";

export type Setting = Schemas["SystemSetting"];

/** All settings in one page; the few there are are searched here. */
export async function settingList({ search }: { search?: string }): Promise<Page<Setting>> {
  const all = (await take(api.GET("/api/v1/settings"))) as Setting[];
  const wanted = (search ?? "").toLowerCase();
  return { items: all.filter(({ key, description }) => `${key} ${description}`.toLowerCase().includes(wanted)) };
}

export const settingUpdate = (key: string, value: number) =>
  take(api.PUT("/api/v1/settings/{key}", { params: { path: { key } }, body: { value } }));

export const settingReset = (key: string) => take(api.DELETE("/api/v1/settings/{key}", { params: { path: { key } } }));
