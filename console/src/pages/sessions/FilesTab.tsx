/** Files into a session and out of it. */
import {
  ActionGroup,
  Button,
  Card,
  CardBody,
  CardTitle,
  Content,
  Form,
  FormGroup,
  FormHelperText,
  HelperText,
  HelperTextItem,
  Progress,
} from "@patternfly/react-core";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiProblem } from "@/api/client";
import { useCan } from "@/api/profile";
import type { Session } from "@/api/sessions";
import { filesGet, filesPut } from "@/api/streams";
import { toast } from "@/frame/Toasts";
import { saveFile } from "@/parts/csv";
import { FormError, TextField, useForm } from "@/parts/form";
import { bytes } from "@/parts/format";
import { Empty } from "@/parts/page";
import { pack, tooLong, unpack } from "./archive";

interface Moved {
  done: number;
  total: number | undefined;
}

export function FilesTab({ session }: { session: Session }) {
  const { t } = useTranslation("sessions");
  const can = useCan();
  if (!can("session.execute")) return <Empty title={t("files.not_running_title")} body={t("files.forbidden")} />;
  if (session.status !== "running" && session.status !== "paused") {
    return <Empty title={t("files.not_running_title")} body={t("files.not_running")} />;
  }
  return (
    <div className="berth-card-grid">
      <Upload session={session} />
      <Download session={session} />
    </div>
  );
}

function Moving({ id, label, moved }: { id: string; label: string; moved: Moved | undefined }) {
  const { t } = useTranslation("sessions");
  if (!moved) return null;
  const text =
    moved.total === undefined
      ? t("files.received", { done: bytes(moved.done) })
      : t("files.progress", { done: bytes(moved.done), total: bytes(moved.total) });
  return moved.total === undefined ? (
    <p role="status">
      {label}: {text}
    </p>
  ) : (
    <Progress id={id} title={label} size="sm" value={(moved.done / Math.max(moved.total, 1)) * 100} label={text} valueText={text} />
  );
}

const invalid = (field: string, message: string) => new ApiProblem(422, { code: "invalid_value", detail: "", fields: [{ field, message }] });

function Upload({ session }: { session: Session }) {
  const { t } = useTranslation("sessions");
  const [files, setFiles] = useState<readonly File[]>([]);
  const [moved, setMoved] = useState<Moved>();
  const input = useRef<HTMLInputElement>(null);
  const total = files.reduce((sum, file) => sum + file.size, 0);
  const long = tooLong(files.map((file) => file.name));
  const form = useForm({ directory: "/tmp" }, async ({ directory }) => {
    if (!directory.startsWith("/")) throw invalid("directory", t("files.absolute"));
    setMoved({ done: 0, total });
    try {
      const tar = await pack(files);
      await filesPut(session.id, directory, tar, (done, all) => setMoved({ done, total: all ?? tar.size }));
    } finally {
      setMoved(undefined);
    }
    toast("success", t("files.uploaded", { count: files.length, path: directory }));
    setFiles([]);
    if (input.current) input.current.value = "";
  });
  return (
    <Card isCompact>
      <CardTitle component="h2">{t("files.upload_title")}</CardTitle>
      <CardBody>
        <Form onSubmit={form.submit}>
          <FormError error={form.error} />
          <Content component="p">{t("files.upload_body")}</Content>
          <FormGroup label={t("files.choose")} fieldId="upload-files">
            <input
              ref={input}
              id="upload-files"
              type="file"
              multiple
              className="berth-file-input"
              onChange={(event) => setFiles([...(event.target.files ?? [])])}
            />
            <FormHelperText>
              <HelperText>
                <HelperTextItem variant={long ? "error" : "default"}>
                  {long
                    ? t("files.name_long", { name: long })
                    : files.length > 0
                      ? t("files.chosen", { count: files.length, size: bytes(total) })
                      : t("files.none_chosen")}
                </HelperTextItem>
              </HelperText>
            </FormHelperText>
          </FormGroup>
          <TextField form={form} name="directory" label={t("files.directory")} required />
          <Moving id="upload-progress" label={t("files.sending")} moved={moved} />
          <ActionGroup>
            <Button type="submit" isLoading={form.busy} isDisabled={form.busy || files.length === 0 || long !== undefined}>
              {t("files.upload")}
            </Button>
          </ActionGroup>
        </Form>
      </CardBody>
    </Card>
  );
}

function Download({ session }: { session: Session }) {
  const { t } = useTranslation("sessions");
  const [moved, setMoved] = useState<Moved>();
  const form = useForm({ path: "" }, async ({ path }) => {
    if (!path.startsWith("/")) throw invalid("path", t("files.absolute"));
    setMoved({ done: 0, total: undefined });
    try {
      const tar = await filesGet(session.id, path, (done, total) => setMoved({ done, total }));
      const { name, content } = unpack(tar, path);
      saveFile(name, content);
    } finally {
      setMoved(undefined);
    }
  });
  return (
    <Card isCompact>
      <CardTitle component="h2">{t("files.download_title")}</CardTitle>
      <CardBody>
        <Form onSubmit={form.submit}>
          <FormError error={form.error} />
          <Content component="p">{t("files.download_body")}</Content>
          <TextField form={form} name="path" label={t("files.path")} required />
          <Moving id="download-progress" label={t("files.receiving")} moved={moved} />
          <ActionGroup>
            <Button type="submit" isLoading={form.busy} isDisabled={form.busy || form.values.path === ""}>
              {t("files.download")}
            </Button>
          </ActionGroup>
        </Form>
      </CardBody>
    </Card>
  );
}
