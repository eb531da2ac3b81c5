import type { Operation } from '../routing/operation.ts'
import type { Backend } from '../routing/snapshot.ts'
import type { ScannedRequest } from './request-scan.ts'
import { type Edit, splice, usageEdit } from './splice.ts'

/** A JSON request whose body has arrived: what upstream gets of it is the raw bytes with another model name. */
export class JsonRequest {
  readonly model: string
  readonly stream: boolean
  /** Bytes of the body. */
  readonly size: number
  /** Whether the gateway asks for the usage of a stream where the client did not. */
  readonly addsUsage: boolean
  chunks: readonly Buffer[]
  readonly #scanned: ScannedRequest
  readonly #usageEdit: Edit | null

  constructor(operation: Operation, scanned: ScannedRequest, chunks: readonly Buffer[], size: number) {
    this.model = scanned.model
    this.stream = scanned.stream
    this.size = size
    this.chunks = chunks
    this.#scanned = scanned
    this.#usageEdit = operation.hasIncludeUsage && scanned.stream ? usageEdit(scanned) : null
    this.addsUsage = this.#usageEdit !== null
  }

  /** The body that this backend gets. */
  bodyFor(backend: Backend): Buffer {
    const model = { ...this.#scanned.modelSpan, bytes: Buffer.from(backend.upstreamModelJson) }
    const usage = this.#usageEdit
    if (!usage) return splice(this.chunks, [model])
    return splice(this.chunks, usage.start < model.start ? [usage, model] : [model, usage])
  }

  /** The answer has begun, so that the body is not needed any more. */
  release(): void {
    this.chunks = []
  }
}
