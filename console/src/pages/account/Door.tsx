/** The pages before the frame: the brand above one card in the middle. */
import { Brand, Card, CardBody, CardTitle, Content } from "@patternfly/react-core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Toasts } from "@/frame/Toasts";
import "./account.css";

interface Props {
  /** Of the browser's tab. */
  page: string;
  title: string;
  text: ReactNode;
  children: ReactNode;
}

export function Door({ page, title, text, children }: Props) {
  const { t } = useTranslation();
  return (
    <main className="berth-door">
      <title>{page}</title>
      <span className="berth-logo">
        <Brand src="/assets/berth.svg" alt="" heights={{ default: "40px" }} />
        {t("product")}
      </span>
      <Card isLarge>
        <CardTitle component="h1">{title}</CardTitle>
        <CardBody>
          <Content component="p" className="berth-door-text">
            {text}
          </Content>
          {children}
        </CardBody>
      </Card>
      <Toasts />
    </main>
  );
}
