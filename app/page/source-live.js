// A run that goes on behind a WebSocket.

/** The token of the page's address, passed on with everything that is asked for. */
const token = () => new URLSearchParams(location.search).get("token");

export function withToken(path) {
  return token() ? `${path}${path.includes("?") ? "&" : "?"}token=${encodeURIComponent(token())}` : path;
}

export class LiveSource {
  constructor({ onworld, onframe, onmessage, onclose }) {
    this.seekable = false;
    this.handlers = { onworld, onframe, onmessage, onclose };
    this.waiting = [];
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(withToken(`${scheme}//${location.host}/ws`));
    this.socket.addEventListener("open", () => this.waiting.splice(0).forEach((text) => this.socket.send(text)));
    this.socket.addEventListener("message", (event) => this.receive(JSON.parse(event.data)));
    this.socket.addEventListener("close", (event) => onclose(event.reason));
  }

  receive(message) {
    if (message.is === "world") this.handlers.onworld(message);
    else if (message.is === "frame") this.handlers.onframe(message, () => this.send({ do: "ack", number: message.number }));
    else this.handlers.onmessage(message);
  }

  send(message) {
    const text = JSON.stringify(message);
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(text);
    else this.waiting.push(text);
  }

  /** What can be chosen from: scenarios, venues. */
  static async catalogue() {
    const [scenarios, venues] = await Promise.all(["/api/scenarios", "/api/venues"].map(async (path) => {
      const answer = await fetch(withToken(path));
      if (!answer.ok) throw new Error(`${path}: ${answer.status} ${answer.statusText}`);
      return answer.json();
    }));
    return { scenarios, venues };
  }

  /** Send a scenario of one's own; what it is called from now on. */
  static async upload(file) {
    const answer = await fetch(withToken("/api/scenario"), { method: "POST", headers: { "Content-Type": "application/toml" }, body: await file.text() });
    const told = await answer.json();
    if (!answer.ok) throw new Error(typeof told.detail === "string" ? told.detail : (told.message ?? JSON.stringify(told.detail ?? told)));
    return told.id;
  }
}
