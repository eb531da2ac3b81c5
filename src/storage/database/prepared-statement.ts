import { type Compilable, CompiledQuery } from 'kysely'
import type { Client } from 'pg'
import { cancelStatement } from './cancel-statement.ts'
import { ChosenClient, type ChosenClientConfig } from './chosen-client.ts'
import type { Db } from './db.ts'

/**
 * A statement whose text begins so is parsed and planned once per connection instead of each time, under this name: for those that
 * are large and come often.
 */
export function prepared(name: string, text: string): string {
  return `/* prepared: ${name} */ ${text}`
}

/** Runs a query of the builder as a statement that is prepared under this name. Its text has to be the same each time. */
export async function executeNamed<Row>(db: Db, name: string, query: Compilable<Row>): Promise<Row[]> {
  const { sql, parameters } = query.compile()
  return (await db.executeQuery<Row>(CompiledQuery.raw(prepared(name, sql), [...parameters]))).rows
}

/** What the driver says when `query_timeout` is over. */
const readTimeout = 'Query read timeout'

/** What a client emits once its server has refused to write because it is the primary no more. */
export const readOnlyServer = 'readOnlyServer'
const readOnlyTransaction = '25006'

const preparedName = /^\/\* prepared: (\w+) \*\//

/**
 * The driver prepares what has a name, but the query builder hands it texts only. And it keeps a connection on which an answer did not
 * come in time: the next one to use it would wait behind that answer.
 */
export class PreparingClient extends ChosenClient {
  readonly #usesNames: boolean

  constructor(config: ChosenClientConfig & { readonly usesNamedStatements?: boolean }) {
    super(config)
    this.#usesNames = config.usesNamedStatements ?? true
  }

  // The signature of the driver has ten overloads: what is not a prepared text passes through as it came.
  override query = ((config: unknown, ...rest: unknown[]): unknown => {
    const name = this.#usesNames && typeof config === 'string' ? preparedName.exec(config)?.[1] : undefined
    if (name === undefined) return this.#watched(this.#query(config, ...rest))
    const [values, callback] = rest
    return this.#watched(this.#query({ name, text: config, values }, callback))
  }) as Client['query']

  #watched(result: unknown): unknown {
    if (result instanceof Promise)
      result.catch((error: unknown) => {
        const { message, code } = error as { message: string; code?: string }
        if (message === readTimeout) cancelStatement(this)
        else if (code === readOnlyTransaction) {
          this.leaveServer()
          this.emit(readOnlyServer)
        }
      })
    return result
  }

  readonly #query = super.query.bind(this) as (...args: readonly unknown[]) => unknown
}
