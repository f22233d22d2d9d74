import { expect, test } from "vitest";
import type { Application } from "@/api/applications";
import { defaultsOf, labelsOf, requestOf } from "./launchRequest";

const application = {
  name: "notebook",
  default_cpu: 2,
  default_memory_gb: 4,
  default_gpu: 1,
  default_storage_gb: 10,
  default_max_runtime_minutes: 480,
  default_network_policy: "default",
} as Application;

test("untouched fields ask for the application's defaults and nothing else", () => {
  expect(requestOf("notebook", defaultsOf(application))).toEqual({
    application: "notebook",
    cpu_request: 2,
    memory_request_gb: 4,
    gpu_request: 1,
    storage_request_gb: 10,
    max_runtime_minutes: 480,
    priority: 5,
    network_policy: "default",
  });
});

test("a share of a GPU replaces whole ones", () => {
  const request = requestOf("notebook", { ...defaultsOf(application), gpu_share: "250" });
  expect(request.gpu_request).toBe(0);
  expect(request.resource_constraints).toEqual({ gpu_share: 250 });
});

test("variables are text or name a secret; rows without a name are left out", () => {
  const request = requestOf("notebook", {
    ...defaultsOf(application),
    environment_variables: [
      { id: 1, name: "MODE", kind: "plain", value: "fast" },
      { id: 2, name: "TOKEN", kind: "secret", value: "git" },
      { id: 3, name: "", kind: "plain", value: "x" },
    ],
  });
  expect(request.environment_variables).toEqual({ MODE: "fast", TOKEN: { secret: "git" } });
});

test("labels are one name=value per line", () => {
  expect(labelsOf("disk=nvme\n\nrack = 4 ")).toEqual({ disk: "nvme", rack: "4" });
  expect(labelsOf("disk")).toBeUndefined();
});
