import { Readable } from 'node:stream'
import type { Backend } from '../routing/snapshot.ts'
import { backendFacts } from './backend-facts.ts'
import type { ScannedForm } from './multipart-scan.ts'
import type { ReceivedRequest } from './received-request.ts'
import type { SpooledBody } from './spooled-body.ts'

/**
 * A multipart request whose body has arrived: what upstream gets of it is the raw bytes with another model name. The body is
 * its maker's to dispose of.
 */
export class FormRequest implements ReceivedRequest {
  readonly model: string
  readonly stream: boolean
  readonly size: number
  readonly lacksUsage = false
  readonly head: readonly Buffer[] = []
  readonly #form: ScannedForm
  readonly #body: SpooledBody

  constructor(form: ScannedForm, body: SpooledBody) {
    this.model = form.model
    this.stream = form.stream
    this.size = body.size
    this.#form = form
    this.#body = body
  }

  bodyFor(backend: Backend): { body: () => Readable; length: number } {
    const { model } = backendFacts(backend)
    const { start, end } = this.#form.modelSpan
    return {
      body: () => Readable.from(this.#replaceModel(model), { objectMode: false }),
      length: this.size - (end - start) + model.length,
    }
  }

  /** Files are no text whose tokens could be estimated. */
  promptText(): string {
    return ''
  }

  release(): void {
    // An answer may begin before the upload has ended.
  }

  async *#replaceModel(model: Buffer): AsyncGenerator<Buffer> {
    const { start, end } = this.#form.modelSpan
    yield* this.#body.read(0, start)
    yield model
    yield* this.#body.read(end, this.size)
  }
}
