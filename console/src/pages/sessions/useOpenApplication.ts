import { useTranslation } from "react-i18next";
import type { Session } from "@/api/sessions";
import { applicationUrl } from "@/api/streams";
import { toast } from "@/frame/Toasts";
import { useAction } from "@/parts/useAction";

/** A tab opened by the click itself, as browsers ask for it; its address comes when the ticket is there. */
export function useOpenApplication(session: Session) {
  const { t } = useTranslation("sessions");
  const name = session.session_name;
  return useAction(
    async () => {
      const tab = window.open("about:blank", "_blank");
      try {
        const url = await applicationUrl(session.id);
        if (!tab) {
          toast("warning", t("detail.popup_blocked"));
          return;
        }
        tab.opener = null;
        tab.location.replace(url);
      } catch (error) {
        tab?.close();
        throw error;
      }
    },
    { wanted: t("detail.wanted_open", { name }) },
  );
}
