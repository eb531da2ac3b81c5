import { Readable } from 'node:stream'
import type { Backend } from '../../routing/config/snapshot.ts'
import { backendFacts } from './backend-facts.ts'
import type { ScannedForm } from './multipart-scan.ts'
import type { ReceivedRequest } from './received.ts'
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
  readonly #boundary: string

  constructor(form: ScannedForm, body: SpooledBody, boundary: string) {
    this.model = form.model
    this.stream = form.stream
    this.size = body.size
    this.#form = form
    this.#body = body
    this.#boundary = boundary
  }

  bodyFor(backend: Backend): { body: () => Readable; length: number } {
    const { model } = backendFacts(backend)
    const { start, end } = this.#form.modelSpan
    const placed = this.#form.namesModel ? model : this.#partOf(model)
    return {
      body: () => Readable.from(this.#place(placed), { objectMode: false }),
      length: this.size - (end - start) + placed.length,
    }
  }

  /** For a form that has no model of its own: it goes before the first part. */
  #partOf(model: Buffer): Buffer {
    const head = `--${this.#boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\n`
    return Buffer.concat([Buffer.from(head, 'latin1'), model, Buffer.from('\r\n')])
  }

  /** Files are no text whose tokens could be estimated. */
  promptText(): string {
    return ''
  }

  release(): boolean {
    // An answer may begin before the upload has ended.
    return false
  }

  async *#place(placed: Buffer): AsyncGenerator<Buffer> {
    const { start, end } = this.#form.modelSpan
    yield* this.#body.read(0, start)
    yield placed
    yield* this.#body.read(end, this.size)
  }
}
