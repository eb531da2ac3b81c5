import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { ClientBase } from 'pg'

/** Ends a connection at once, as a network failure would. The driver has no method for it. */
export function breakConnection(client: ClientBase): void {
  const { connection } = client as unknown as { readonly connection: EventEmitter & { readonly stream: Socket } }
  connection.emit('error', new Error('the database did not answer in time'))
  connection.stream.destroy()
}
