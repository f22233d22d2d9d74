import "@patternfly/react-core/dist/styles/base.css";
import "./frame/console.css";
import "./frame/theme";
import "./text";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { RouterProvider } from "react-router/dom";
import { login } from "./api/client";
import { profileQuery } from "./api/profile";
import { queryClient } from "./api/queries";
import { createRouter } from "./routes";

// Every page waits for it: asked for while the page's own code is still on its way.
if (login.present()) void queryClient.prefetchQuery(profileQuery);

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <RouterProvider router={createRouter()} />
    </QueryClientProvider>
  </StrictMode>,
);
