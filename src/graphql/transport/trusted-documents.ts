import { hash } from 'node:crypto'
import { usePersistedOperations } from '@graphql-yoga/plugin-persisted-operations'
import type { GraphQLError } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { fault } from '../kit/fault.ts'

/** Documents by the id that clients send. */
export type TrustedDocuments = ReadonlyMap<string, string>

/** Runs only these documents: clients send `extensions.persistedQuery.sha256Hash` instead of a document. */
export function useTrustedDocuments(documents: TrustedDocuments): Plugin {
  return usePersistedOperations({
    getPersistedOperation: (id) => documents.get(id) ?? null,
    customErrors: { notFound: untrusted, keyNotFound: untrusted, persistedQueryOnly: untrusted },
  })
}

/** The document that a WebSocket message names by its id or its text: the protocol has no message without a text. */
export function trustedDocument(
  documents: TrustedDocuments,
  query: string,
  extensions: Readonly<Record<string, unknown>> | null | undefined,
): string | undefined {
  const documentId = (extensions?.['persistedQuery'] as { readonly sha256Hash?: unknown } | undefined)?.sha256Hash
  return documents.get(typeof documentId === 'string' ? documentId : hash('sha256', query))
}

export function untrusted(): GraphQLError {
  const message =
    'Only trusted documents are run here: send the id of one as `extensions.persistedQuery.sha256Hash`, and no `query`.'
  return fault('DOCUMENT_NOT_TRUSTED', message, { extensions: { http: { status: 400 } } })
}
