/** The API as a script of an operator calls it: one POST per operation. */

export interface GraphqlClient {
  readonly url: string
  readonly key: string | undefined
  /** The `data` of a document. Throws if the response has top-level `errors`, or is no JSON. */
  readonly request: <Data>(document: string, variables?: Variables) => Promise<Data>
  /** The payload of a document with one mutation field. Throws if it has `userErrors`; ask for them with `message code path`. */
  readonly change: <Payload>(document: string, variables?: Variables) => Promise<Payload>
  /** Whatever comes, as it comes. */
  readonly post: (body: unknown, headers?: Readonly<Record<string, string>>) => Promise<GraphqlAnswer>
  /** The same API with another key; undefined: without one. */
  readonly withKey: (key: string | undefined) => GraphqlClient
}

type Variables = Readonly<Record<string, unknown>>

interface GraphqlAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: GraphqlBody
}

interface GraphqlBody {
  readonly data?: Record<string, unknown> | null
  readonly errors?: readonly GraphqlFault[]
  readonly extensions?: Readonly<Record<string, unknown>>
}

interface GraphqlFault {
  readonly message: string
  readonly path?: readonly (string | number)[]
  readonly extensions?: Readonly<Record<string, unknown>>
}

interface UserErrorShape {
  readonly message: string
  readonly code: string
  readonly path: readonly string[] | null
}

/** `url` is that of the API listener, or of its `/graphql`. */
export function createGraphqlClient(url: string, key: string | undefined): GraphqlClient {
  const endpoint = url.endsWith('/graphql') ? url : `${url}/graphql`

  const post = async (body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<GraphqlAnswer> => {
    const authorization: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` }
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', ...authorization, ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
    return { status: response.status, headers: response.headers, body: parse(await response.text(), response.status) }
  }

  const request = async <Data>(document: string, variables: Variables = {}): Promise<Data> => {
    const { status, body } = await post({ query: document, variables })
    if (body.errors || !body.data) throw new GraphqlFailure(status, body.errors ?? [])
    return body.data as Data
  }

  const change = async <Payload>(document: string, variables: Variables = {}): Promise<Payload> => {
    const data = await request<Record<string, Payload & { userErrors?: readonly UserErrorShape[] }>>(
      document,
      variables,
    )
    const payload = Object.values(data)[0]
    if (!payload) throw new Error(`the document has no field: ${document}`)
    if (!payload.userErrors) throw new Error(`the document does not ask for userErrors: ${document}`)
    if (payload.userErrors.length > 0) throw new GraphqlFailure(200, payload.userErrors.map(asFault))
    return payload
  }

  return { url: endpoint, key, request, change, post, withKey: (other) => createGraphqlClient(endpoint, other) }
}

/** The API refused. `faults` are its top-level errors, or the user errors of a mutation. */
export class GraphqlFailure extends Error {
  override name = 'GraphqlFailure'
  readonly status: number
  readonly faults: readonly GraphqlFault[]

  constructor(status: number, faults: readonly GraphqlFault[]) {
    super(`${status}: ${faults.map((fault) => JSON.stringify(fault)).join('\n') || 'no data'}`)
    this.status = status
    this.faults = faults
  }
}

function asFault({ message, code, path }: UserErrorShape): GraphqlFault {
  return { message, path: path ?? [], extensions: { code } }
}

function parse(text: string, status: number): GraphqlBody {
  try {
    return JSON.parse(text) as GraphqlBody
  } catch (cause) {
    throw new Error(`the API answered ${status} with no JSON: ${text.slice(0, 500)}`, { cause })
  }
}
