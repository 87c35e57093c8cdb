// Takes a one-time link from the address, lets its holder choose a password, and says how to sign in with it.
"use strict";

const element = (id) => document.getElementById(id);
const say = (text) => { element("said").textContent = text; };

const link = new URLSearchParams(location.hash.slice(1)).get("link");
if (link) {
  // Out of the address bar and the history: whoever looks over a shoulder has nothing to use.
  history.replaceState(null, "", location.pathname + location.search);
  element("about").hidden = true;
  element("choose").hidden = false;
  element("password").focus();
}

element("choose").addEventListener("submit", async (event) => {
  event.preventDefault();
  const password = element("password").value;
  if (password !== element("again").value) {
    say("The two passwords differ.");
    element("again").focus();
    return;
  }
  const button = element("choose").querySelector("button");
  button.disabled = true;
  try {
    const answer = await fetch("api/v1/auth/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ link, password }),
    });
    const session = await answer.json();
    if (answer.ok) {
      element("choose").remove();
      element("about").hidden = false;
      say(`Done: sign in as the user ${session.name} (account ${session.account.name}) with this password.`);
      // Nothing here needs the session, so it does not stay open.
      await fetch("api/v1/auth/session", { method: "DELETE", headers: { "X-CSRF-Token": session.csrfToken } });
    } else if (session.code === "AuthenticationFailed") {
      say("This link was used already or is too old. Ask for another one (strongroom user link NAME), or start the node again.");
    } else {
      say(session.message);
    }
  } catch (error) {
    say(`The node does not answer: ${error.message}`);
  }
  button.disabled = false;
});
