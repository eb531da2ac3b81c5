import { monotonicMs } from '../loop/monotonic.ts'
import type { GatewayLog } from '../ports.ts'

const everyMs = 10_000

/** Errors of a spool in the log, one in ten seconds: a full disk fails ten times a second. */
export class SpoolErrorLog {
  readonly #log: GatewayLog
  /** What else the line says. */
  readonly #fields: () => object
  #lastAtMs = -Infinity

  constructor(log: GatewayLog, fields: () => object) {
    this.#log = log
    this.#fields = fields
  }

  add(error: unknown, message: string): void {
    if (monotonicMs() - this.#lastAtMs < everyMs) return
    this.#lastAtMs = monotonicMs()
    this.#log.error({ err: error, ...this.#fields() }, message)
  }
}
