import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { ClientBase } from 'pg'

/** Ends a connection at once, whatever is under way, as if the network had: the driver itself has no word for it. */
export function breakConnection(client: ClientBase): void {
  const { connection } = client as unknown as { readonly connection: EventEmitter & { readonly stream: Socket } }
  connection.emit('error', new Error('the database did not answer in time'))
  connection.stream.destroy()
}
