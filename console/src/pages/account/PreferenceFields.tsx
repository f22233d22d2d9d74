/** Time zone and theme, as fields of a form. */
import { FormGroup, FormHelperText, HelperText, HelperTextItem, ToggleGroup, ToggleGroupItem } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import { setTheme, type Theme } from "@/frame/theme";
import type { FormState } from "@/parts/form";
import { SearchSelect } from "@/parts/SearchSelect";
import { useTimeZones } from "./preferences";

export interface PreferenceValues {
  time_zone: string;
  theme: Theme;
}

export function PreferenceFields({ form }: { form: FormState<PreferenceValues> }) {
  const { t } = useTranslation("account");
  const zones = useTimeZones();
  return (
    <>
      <FormGroup label={t("preference.time_zone")} fieldId="time_zone">
        <SearchSelect
          id="time_zone"
          value={form.values.time_zone}
          options={zones}
          none={t("preference.none")}
          onChange={(zone) => form.set("time_zone", zone)}
        />
        <FormHelperText>
          <HelperText>
            <HelperTextItem>{t("preference.time_zone_hint")}</HelperTextItem>
          </HelperText>
        </FormHelperText>
      </FormGroup>
      <FormGroup label={t("preference.theme")} role="group" fieldId="theme">
        <ToggleGroup aria-label={t("preference.theme")}>
          {(["system", "light", "dark"] as const).map((theme) => (
            <ToggleGroupItem
              key={theme}
              text={t(`preference.${theme}`)}
              isSelected={form.values.theme === theme}
              // Seen at once; it is kept when the form is saved.
              onChange={() => {
                form.set("theme", theme);
                setTheme(theme);
              }}
            />
          ))}
        </ToggleGroup>
      </FormGroup>
    </>
  );
}
