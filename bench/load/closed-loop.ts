import { Connection } from './connection.ts'

/** Clients that send the next request as soon as they have the answer to the last one. */
export interface ClosedLoop {
  /** Answers with status 200 so far. */
  readonly answers: () => number
  /** Other statuses and broken connections so far. */
  readonly failures: () => number
  readonly stop: () => void
}

export interface ClosedLoopOptions {
  readonly port: number
  /** Whole requests as bytes, sent in turn. */
  readonly requests: readonly Buffer[]
  readonly connections: number
  /** Between an answer and the next request; default: none. */
  readonly pauseMs?: number
  /** Sees each answer, before the next request is sent. */
  readonly onAnswer?: (connection: Connection, client: number) => void
  /** Called just before a request is sent. */
  readonly onSend?: (client: number) => void
}

export async function openClosedLoop(options: ClosedLoopOptions): Promise<ClosedLoop> {
  let next = 0
  let answers = 0
  let failures = 0
  let isStopped = false

  const send = (connection: Connection, client: number) => {
    options.onSend?.(client)
    connection.send(options.requests[next++ % options.requests.length]!)
  }
  const sendAgain = (connection: Connection, client: number) => {
    if (!isStopped && !connection.isBroken) send(connection, client)
  }
  const openClient = (client: number): Connection =>
    new Connection(options.port, {
      answer: (connection) => {
        if (connection.status === 200) answers++
        else failures++
        options.onAnswer?.(connection, client)
        if (options.pauseMs) setTimeout(() => sendAgain(connection, client), options.pauseMs)
        else sendAgain(connection, client)
      },
      broken: (connection) => {
        if (isStopped) return
        if (connection.isBusy) failures++
        clients[client] = openClient(client)
        // A server that refuses at once must not make the load spin.
        setTimeout(() => isStopped || send(clients[client]!, client), 20)
      },
    })
  const clients = Array.from({ length: options.connections }, (_, client) => openClient(client))
  await Promise.all(clients.map((connection) => connection.opened()))
  for (const [client, connection] of clients.entries()) send(connection, client)

  return {
    answers: () => answers,
    failures: () => failures,
    stop: () => {
      isStopped = true
      for (const connection of clients) connection.close()
    },
  }
}
