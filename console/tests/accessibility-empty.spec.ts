/** Every page of a new installation can be used by everybody. */
import { checkRoutes } from "./harness/pages";

checkRoutes("empty");
