/** A proxy in front of PostgreSQL that counts statements on the wire: nobody's word is taken for it. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'

export interface StatementCounter extends AsyncDisposable {
  /** The database's URL, through the proxy. */
  readonly url: string
  /** Statements that were executed so far: simple queries, and executions of prepared ones. */
  readonly statements: () => number
}

/** `url` names a Unix socket's folder as `?host=`, as the embedded PostgreSQL's does. */
export async function openStatementCounter(url: string): Promise<StatementCounter> {
  const direct = new URL(url)
  const socketPath = join(direct.searchParams.get('host') ?? '', '.s.PGSQL.5432')
  const sockets = new Set<Socket>()
  let statements = 0
  // With Nagle's algorithm a small answer would wait for the acknowledgement of the one before: 40 ms.
  const server = createServer({ noDelay: true }, (client) => {
    const database = connect(socketPath)
    const scan = createScanner(() => statements++)
    client.on('data', scan)
    client.pipe(database)
    database.pipe(client)
    for (const socket of [client, database]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => {
        sockets.delete(socket)
        client.destroy()
        database.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxied = new URL(`postgres://${direct.username}@127.0.0.1${direct.pathname}`)
  proxied.port = String((server.address() as AddressInfo).port)
  return {
    url: proxied.href,
    statements: () => statements,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

// https://www.postgresql.org/docs/18/protocol-message-formats.html: the first message of a client has no type, all others
// are a type and a length that counts itself. `Q` is a simple query, `E` executes a portal.
function createScanner(onStatement: () => void): (chunk: Buffer) => void {
  let pending: Buffer = Buffer.alloc(0)
  let isStartup = true
  return (chunk) => {
    pending = Buffer.concat([pending, chunk])
    for (;;) {
      const typeBytes = isStartup ? 0 : 1
      if (pending.length < typeBytes + 4) return
      const end = typeBytes + pending.readInt32BE(typeBytes)
      if (pending.length < end) return
      const type = isStartup ? '' : String.fromCharCode(pending[0]!)
      if (type === 'Q' || type === 'E') onStatement()
      isStartup = false
      pending = pending.subarray(end)
    }
  }
}
