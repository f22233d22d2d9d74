/**
 * All text that a person reads, by domain. English is the catalogue that others are translated from: add
 * `src/text/<language>/`, list it here, and everything follows. Keys are checked by the type checker.
 */
import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import account from "./en/account.json";
import common from "./en/common.json";
import enums from "./en/enums.json";
import fleet from "./en/fleet.json";
import frame from "./en/frame.json";
import identity from "./en/identity.json";
import observe from "./en/observe.json";
import sessions from "./en/sessions.json";

export const en = { common, enums, frame, sessions, fleet, identity, observe, account };

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "common";
    resources: typeof en;
  }
}

void i18next.use(initReactI18next).init({
  lng: "en",
  fallbackLng: "en",
  resources: { en },
  ns: Object.keys(en),
  defaultNS: "common",
  interpolation: { escapeValue: false },
  initAsync: false,
});

export default i18next;
