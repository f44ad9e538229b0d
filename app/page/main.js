// Where the page begins: a replay when a run is in the page, else a live run.

import { App } from "./app.js";

const app = new App();
window.cascade = app;
const embedded = document.getElementById("run");
if (embedded) {
  app.replay(embedded.textContent).catch((error) => app.status.say(`This replay cannot be read: ${error.message}`, true));
} else {
  app.live();
}
