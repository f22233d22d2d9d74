/** Links to things of which only the id is known; each name is asked for once. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, take } from "@/api/client";
import { useCan } from "@/api/profile";
import { keys } from "@/api/queries";
import { urls } from "@/urls";

interface Props {
  id: string | null | undefined;
}

/** The end of an id tells it from its neighbours; the beginning is the time. */
const short = (id: string) => `…${id.slice(-8)}`;

export function NodeName({ id }: Props) {
  const allowed = useCan()("server.read", "any");
  const { data } = useQuery({
    queryKey: keys.one("nodes", id ?? ""),
    queryFn: () => take(api.GET("/api/v1/nodes/{id}", { params: { path: { id: id ?? "" } } })),
    enabled: allowed && Boolean(id),
    staleTime: 300_000,
  });
  if (!id) return <>–</>;
  return allowed ? <Link to={urls.node(id)}>{data?.name ?? short(id)}</Link> : <>{short(id)}</>;
}

export function SessionName({ id }: Props) {
  const { data } = useQuery({
    queryKey: keys.one("sessions", id ?? ""),
    queryFn: () => take(api.GET("/api/v1/sessions/{id}", { params: { path: { id: id ?? "" } } })),
    enabled: Boolean(id),
    staleTime: 300_000,
  });
  if (!id) return <>–</>;
  return <Link to={urls.session(id)}>{data?.session_name ?? short(id)}</Link>;
}

export function UserName({ id }: Props) {
  const allowed = useCan()("user.read", "tenant");
  const { data } = useQuery({
    queryKey: keys.one("users", id ?? ""),
    queryFn: () => take(api.GET("/api/v1/users/{id}", { params: { path: { id: id ?? "" } } })),
    enabled: allowed && Boolean(id),
    staleTime: 300_000,
  });
  if (!id) return <>–</>;
  return allowed ? <Link to={urls.user(id)}>{data?.username ?? short(id)}</Link> : <>{short(id)}</>;
}
