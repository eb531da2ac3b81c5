import { connect } from 'node:net'
import type { ClientBase } from 'pg'
import { breakConnection } from './break-connection.ts'

/** https://www.postgresql.org/docs/current/protocol-message-formats.html, CancelRequest. */
const cancelRequestCode = 80877102
const patienceMs = 1_000

/**
 * Asks the server to cancel the statement on this connection, and ends the connection: a late cancel request must not hit another
 * statement.
 */
export function cancelStatement(client: ClientBase): void {
  const { host, port, processID, secretKey } = client as unknown as {
    readonly host: string
    readonly port: number
    readonly processID: number | null
    readonly secretKey: number | null
  }
  if (processID !== null && secretKey !== null) {
    const message = Buffer.alloc(16)
    message.writeInt32BE(16, 0)
    message.writeInt32BE(cancelRequestCode, 4)
    message.writeInt32BE(processID, 8)
    message.writeInt32BE(secretKey, 12)
    const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
    socket.setTimeout(patienceMs, () => socket.destroy())
    // The server ends it by itself when the time of a statement is over.
    socket.on('error', () => undefined)
    socket.end(message)
  }
  breakConnection(client)
}
