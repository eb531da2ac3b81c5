import { Client } from 'pg'

/**
 * A statement whose text begins so is parsed and planned once per connection instead of each time, under this name: for those that
 * are large and come often.
 */
export function prepared(name: string, text: string): string {
  return `/* prepared: ${name} */ ${text}`
}

const preparedName = /^\/\* prepared: (\w+) \*\//

/** The driver prepares what has a name, but the query builder hands it texts only. */
export class PreparingClient extends Client {
  // The signature of the driver has ten overloads: what is not a prepared text passes through as it came.
  override query = ((config: unknown, ...rest: unknown[]): unknown => {
    const name = typeof config === 'string' ? preparedName.exec(config)?.[1] : undefined
    if (name === undefined) return this.#query(config, ...rest)
    const [values, callback] = rest
    return this.#query({ name, text: config, values }, callback)
  }) as Client['query']
  readonly #query = super.query.bind(this) as (...args: readonly unknown[]) => unknown
}
