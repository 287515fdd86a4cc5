// Loaded into the suite's process with `node --import`: the suite cannot be told a token, and the
// server lets nobody in without one. Whichever library sends a request, it is told here.
import { subscribe } from "node:diagnostics_channel";

const { BEARER_HOST: host, BEARER_TOKEN: token } = process.env;

subscribe("undici:request:create", ({ request }) => {
  if (request.origin === `http://${host}`) request.addHeader("authorization", `Bearer ${token}`);
});
subscribe("http.client.request.created", ({ request }) => {
  if (request.getHeader("host") === host) request.setHeader("authorization", `Bearer ${token}`);
});
