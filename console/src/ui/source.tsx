import { stringifyDocument } from '@urql/core'
import { useState } from 'react'
import type { AnyVariables, TypedDocumentNode } from 'urql'
import { graphqlUrl } from '../api/place.ts'
import { Dialog } from './dialog.tsx'

interface Props {
  /** What this does, e.g. `The wall`. */
  readonly of: string
  readonly document: TypedDocumentNode<unknown, never> | TypedDocumentNode<unknown, AnyVariables> | object
  readonly variables?: unknown
}

/** A button that shows the GraphQL behind a panel or an action, and the same as a curl call. */
export function Source({ of, document, variables = {} }: Props) {
  const [isOpen, setOpen] = useState(false)
  return (
    <>
      <button
        type="button"
        className="quiet source"
        aria-label={`GraphQL and curl of: ${of}`}
        title="GraphQL and curl"
        onClick={() => setOpen(true)}
      >
        {'{ }'}
      </button>
      {isOpen && <SourceDialog of={of} document={document} variables={variables} onClose={() => setOpen(false)} />}
    </>
  )
}

function SourceDialog({ of, document, variables, onClose }: Required<Props> & { readonly onClose: () => void }) {
  const query = withoutTypenames(stringifyDocument(document as TypedDocumentNode))
  return (
    <Dialog title={of} onClose={onClose}>
      <Snippet label="GraphQL" text={query} />
      {hasMembers(variables) && <Snippet label="Variables" text={JSON.stringify(variables, null, 2)} />}
      <Snippet label="curl" text={curlOf(query, variables)} />
    </Dialog>
  )
}

export function Snippet({ label, text }: { readonly label: string; readonly text: string }) {
  const [isCopied, setCopied] = useState(false)
  const copy = () => void navigator.clipboard.writeText(text).then(() => setCopied(true))
  return (
    <figure className="snippet">
      <figcaption>
        {label}
        <button type="button" className="quiet" onClick={copy}>
          {isCopied ? 'Copied' : 'Copy'}
        </button>
      </figcaption>
      <pre tabIndex={0} aria-label={label}>
        {text}
      </pre>
    </figure>
  )
}

/** The key stays a variable of the shell: what is copied may be shown to others. */
export function curlOf(query: string, variables: unknown): string {
  const isSubscription = /^\s*subscription\b/m.test(query)
  const body = JSON.stringify({ query: query.replace(/\s+/g, ' '), ...(hasMembers(variables) && { variables }) })
  return [
    `curl -s${isSubscription ? 'N' : ''} ${graphqlUrl.href} \\`,
    `  -H "authorization: Bearer $SIGNALBOX_KEY" -H 'content-type: application/json'${isSubscription ? " -H 'accept: text/event-stream'" : ''} \\`,
    `  -d '${body.replaceAll("'", "'\\''")}'`,
  ].join('\n')
}

function hasMembers(variables: unknown): boolean {
  return Object.keys(variables as object).length > 0
}

function withoutTypenames(query: string): string {
  return query.replace(/^\s*__typename\n/gm, '').trim()
}
