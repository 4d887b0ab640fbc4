// Requests to the service. The administrator's token stays in this module's memory: it is stored nowhere.
import { t } from "./i18n.js";

let adminToken = "";
export const setAdminToken = token => { adminToken = token; };
export const hasAdminToken = () => adminToken !== "";

export async function request(path, body, headers = {}) {
  const options = { headers };
  if (body !== undefined) {
    options.method = "POST";
    options.headers = { ...headers, "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  let reply;
  try {
    reply = await fetch(path, options);
  } catch {
    throw new Error(t("unreachable"));
  }
  const content = await reply.json().catch(() => ({}));
  if (!reply.ok) {
    const error = new Error(describe(content, reply.status));
    error.status = reply.status;
    throw error;
  }
  return content;
}

export const adminRequest = (path, body) => request(path, body, { Authorization: `Bearer ${adminToken}` });

function describe(content, status) {
  const errors = (content.errors || []).map(e => ` (${e.where}: ${e.what})`).join("");
  return (content.detail || `HTTP ${status}`) + errors;
}
