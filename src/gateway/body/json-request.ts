import type { Operation } from '../../routing/vendors/operation.ts'
import type { Backend } from '../../routing/config/snapshot.ts'
import { backendFacts } from './backend-facts.ts'
import type { ReceivedRequest } from './received.ts'
import type { ScannedRequest } from './request-scan.ts'
import { beginning, type ByteEdit, splice, usageEdit } from './splice.ts'

/** Of a longer body, no more than its beginning is kept while the answer passes. */
const keptBytes = 64 * 1024

/** A JSON request whose body has arrived: what upstream gets of it is the raw bytes with another model name. */
export class JsonRequest implements ReceivedRequest {
  readonly model: string
  readonly stream: boolean
  readonly size: number
  readonly lacksUsage: boolean
  #chunks: readonly Buffer[]
  readonly #scanned: ScannedRequest
  readonly #usageEdit: ByteEdit | null

  constructor(operation: Operation, scanned: ScannedRequest, chunks: readonly Buffer[], size: number) {
    this.model = scanned.model
    this.stream = scanned.stream
    this.size = size
    this.#chunks = chunks
    this.#scanned = scanned
    this.#usageEdit = operation.hasIncludeUsage && scanned.stream ? usageEdit(scanned) : null
    this.lacksUsage = this.#usageEdit !== null
  }

  get head(): readonly Buffer[] {
    return this.#chunks
  }

  bodyFor(backend: Backend, addsUsage: boolean): { body: Buffer[]; length: number } {
    const { start, end } = this.#scanned.modelSpan
    const { modelJson } = backendFacts(backend)
    const model = { start, end, bytes: this.#scanned.namesModel ? modelJson : modelMember(modelJson) }
    const usage = addsUsage ? this.#usageEdit : null
    const edits = !usage ? [model] : usage.start < model.start ? [usage, model] : [model, usage]
    const body = splice(this.#chunks, edits)
    return { body, length: body.reduce((sum, { length }) => sum + length, 0) }
  }

  release(): boolean {
    if (this.size > keptBytes) this.#chunks = beginning(this.#chunks, keptBytes)
    return true
  }

  promptText(): string {
    return this.#chunks.map((chunk) => chunk.toString('latin1')).join('')
  }
}

/** For a body that has no model of its own and some other member. */
function modelMember(modelJson: Buffer): Buffer {
  return Buffer.concat([Buffer.from('"model":'), modelJson, Buffer.from(',')])
}
