/** Typed documents, and the call that answers them. */
import { initGraphQLTada, type TadaDocumentNode } from 'gql.tada'
import { print } from 'graphql'
import type { introspection } from './schema-types.d.ts'

export const graphql = initGraphQLTada<{
  introspection: introspection
  scalars: { DateTime: string; URL: string; SafeInt: number; Decimal: string; JSONObject: Record<string, unknown> }
}>()

/** The `data` of a document. Throws with the API's message for `errors`; `userErrors` are the caller's to read. */
export async function request<Result, Variables>(
  document: TadaDocumentNode<Result, Variables>,
  variables: Variables,
): Promise<Result> {
  const response = await fetch(`${process.env['SIGNALBOX_URL'] ?? 'http://127.0.0.1:4000'}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${process.env['SIGNALBOX_KEY']}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query: print(document), variables }),
  })
  const { data, errors } = (await response.json()) as { data?: Result; errors?: { message: string }[] }
  if (errors || !data) throw new Error(errors?.map(({ message }) => message).join('\n') ?? `status ${response.status}`)
  return data
}
