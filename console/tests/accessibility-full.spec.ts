/** Every page of a busy fleet can be used by everybody. */
import { checkRoutes } from "./harness/pages";

checkRoutes("fleet");
