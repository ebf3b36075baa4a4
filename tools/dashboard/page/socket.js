// The connection to this page's server; it comes back by itself.
const TOLD = 2; // every so many frames the server hears that they came; it waits after four

export class Socket {
  constructor(take, lost) {
    this.take = take;
    this.lost = lost;
    this.messages = 0;
    this.bytes = 0;
    this.wish = null;
    this.open();
  }

  open() {
    const url = new URL("socket", location.href);
    url.protocol = "ws:";
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.onopen = () => {
      if (this.wish) socket.send(JSON.stringify({ wish: this.wish }));
    };
    socket.onmessage = (event) => {
      this.messages += 1;
      this.bytes += event.data.length;
      const frame = JSON.parse(event.data);
      this.take(frame);
      if (frame.n % TOLD === 0) socket.send(`{"got":${frame.n}}`);
    };
    socket.onclose = () => {
      this.lost();
      setTimeout(() => this.open(), 1000);
    };
  }

  // Tell what the page shows.
  want(wish) {
    if (JSON.stringify(wish) === JSON.stringify(this.wish)) return;
    this.wish = wish;
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ wish }));
  }
}
