/** A way to a PostgreSQL server that can be cut: what a client sees when the network or the server is gone. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'

export interface DatabaseProxy extends AsyncDisposable {
  /** The same database, through the proxy. */
  readonly url: string
  /** Breaks all connections and refuses new ones. */
  cut(): void
  restore(): void
  /** The connections of now carry nothing any more, and stay open; new ones work. */
  hang(): void
  /** Breaks the next connection but `after`, at once. */
  breakOne(after: number): void
}

/** `url` names the server as `openTestDatabase` does: a Unix socket's folder, or a host. Port 0: any that is free. */
export async function openDatabaseProxy(url: string, port = 0): Promise<DatabaseProxy> {
  const sockets = new Set<Socket>()
  let isCut = false
  let untilBroken = Infinity
  const server = createServer((client) => {
    if (isCut || untilBroken-- === 0) return client.destroy()
    const upstream = connect(addressOf(url))
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.on('error', () => to.destroy())
      from.once('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      from.pipe(to)
    }
    return undefined
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const destroyAll = () => sockets.forEach((socket) => socket.destroy())
  return {
    url: throughPort(url, (server.address() as AddressInfo).port),
    cut() {
      isCut = true
      destroyAll()
    },
    restore() {
      isCut = false
    },
    hang() {
      for (const socket of sockets) socket.unpipe().pause()
    },
    breakOne(after) {
      untilBroken = after
    },
    async [Symbol.asyncDispose]() {
      server.close()
      destroyAll()
      await Promise.resolve()
    },
  }
}

function addressOf(url: string): { path: string } | { host: string; port: number } {
  const { hostname, port, searchParams } = new URL(url)
  const folder = searchParams.get('host')
  if (folder) return { path: join(folder, `.s.PGSQL.${port || 5432}`) }
  return { host: hostname, port: Number(port || 5432) }
}

function throughPort(url: string, port: number): string {
  const direct = new URL(url)
  const user = direct.searchParams.get('user') ?? (direct.username || 'postgres')
  return `postgres://${user}@127.0.0.1:${port}${direct.pathname}`
}
