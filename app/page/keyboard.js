// Keys; none while something is being typed.

export const KEYS = [
  ["space", "play, pause"], ["→", "one step on"], ["←", "one step back (replay)"], ["n", "next liquidation"], ["r", "restart"],
  ["b", "next book"], ["v", "next venue"], ["a", "contagion by account, by asset, by venue"], ["z", "all of the time"], ["t", "light, dark"], ["?", "this list"], ["Esc", "close"],
];

export function listen(app) {
  const ways = {
    " ": () => app.toggle(), ArrowRight: () => app.step(1), ArrowLeft: () => app.step(-1), n: () => app.jump(), r: () => app.restart(),
    b: () => app.nextBook(), v: () => app.nextVenue(), a: () => app.turnNetwork(), z: () => app.zoom(null), t: () => app.switchTheme(), "?": () => app.help(), Escape: () => app.escape(),
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, select, textarea");
    if (event.ctrlKey || event.metaKey || event.altKey || !ways[event.key]) return;
    if (typing && event.key !== "Escape") return;
    if (event.key === " " && event.target.matches("button, summary, a")) return;
    event.preventDefault();
    ways[event.key]();
  });
}
