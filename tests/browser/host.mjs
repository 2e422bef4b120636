// Starts and stops the real host for tests of its pages.
import { spawn } from "node:child_process";

const program = `${process.env.UMPIRE_BUILD ?? "build"}/umpire`;
const running = new Set();

/** Runs a rulebook until stop(). listen: URLs; web: HOST:PORT. Gives { web, ports: { scheme: port }, log, stop }. */
export async function startHost(rulebook, { listen, web = "127.0.0.1:0" }) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^UMPIRE_|^LD_PRELOAD$/.test(name)));
  const args = ["run", rulebook, "--control", "none", "--web", web, ...listen.flatMap((url) => ["--listen", url])];
  const child = spawn(program, args, { env, stdio: ["ignore", "ignore", "pipe"] });
  const host = { log: "", ports: {}, web: null };
  running.add(child);
  const ended = new Promise((resolve) => child.on("exit", (code) => { running.delete(child); resolve(code); }));
  await new Promise((resolve, reject) => {
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text) => {
      host.log += text;
      if (/^ready$/m.test(host.log)) resolve();
    });
    ended.then((code) => reject(new Error(`the host ended with ${code}:\n${host.log}`)));
  });
  for (const [, scheme, port] of host.log.matchAll(/^listening (\w+):\/\/.*:(\d+)$/gm)) host.ports[scheme] = Number(port);
  host.web = /^web (http:.*)$/m.exec(host.log)[1];
  let killed = false;
  host.stop = async () => { child.kill("SIGTERM"); return await ended ?? (killed ? 0 : null); };
  host.kill = async () => { killed = true; child.kill("SIGKILL"); return ended; };
  return host;
}

process.on("exit", () => { for (const child of running) child.kill("SIGKILL"); });
