import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { callbackify } from 'node:util'
import { Client, type ClientConfig } from 'pg'
import type { ServerChoice, ReachableServer } from './server-choice.ts'

export interface ChosenClientConfig extends ClientConfig {
  readonly choice: ServerChoice
}

type Connected = (error: Error | undefined) => void

/** A connection to the server that is the right one at the time of connecting. */
export class ChosenClient extends Client {
  readonly choice: ServerChoice
  #server: ReachableServer | undefined

  constructor(config: ChosenClientConfig) {
    super(config)
    this.choice = config.choice
  }

  /** Marks the server as no longer the right one. */
  leaveServer(): void {
    if (this.#server) this.choice.leave(this.#server)
  }

  override connect(): Promise<this>
  override connect(callback: Connected): void
  override connect(callback?: Connected): Promise<this> | void {
    if (!callback) return this.#connect().then(() => this)
    callbackify(() => this.#connect())((error: Error | null) => callback(error ?? undefined))
  }

  async #connect(): Promise<void> {
    const { only } = this.choice
    const server = only ? only() : await this.choice.choose()
    this.#pointAt(server)
    if (internalsOf(this)._ending) throw new Error('Connection terminated')
    try {
      await super.connect()
    } catch (error) {
      // A server that asks for a password would wait for it, for a minute.
      internalsOf(this).connection.stream.destroy()
      if (!only) this.choice.leave(server)
      throw error
    }
  }

  /** Changes the server of the client. The driver has no method for it. */
  #pointAt(server: ReachableServer): void {
    this.#server = server
    const client = internalsOf(this)
    if (server.host !== undefined) client.host = server.host
    if (server.port !== undefined) client.port = server.port
    if (server.tls === undefined) return
    client.ssl = server.tls
    client.connection.ssl = server.tls
  }
}

/** Whether what passes over the connection is encrypted. */
export function isEncrypted(client: ChosenClient): boolean {
  return internalsOf(client).connection.stream instanceof TLSSocket
}

interface Internals {
  host: string
  port: number
  ssl: unknown
  readonly connection: { ssl: unknown; readonly stream: Socket }
  readonly _ending: boolean
}

function internalsOf(client: unknown): Internals {
  return client as Internals
}
