import { useState } from 'react'
import { graphql } from '../api/graphql.ts'
import { Faults } from '../change/faults.tsx'
import { useChange } from '../change/use-change.ts'
import { Dialog } from '../ui/dialog.tsx'
import { Source } from '../ui/source.tsx'
import type { KeyNode } from './keys-document.ts'
import { ShownSecret } from './shown-secret.tsx'

const RotateKey = graphql(`
  mutation RotateKey($id: ID!, $overlapMs: SafeInt!) {
    apiKeyRotate(input: { id: $id, overlapMs: $overlapMs }) {
      userErrors {
        code
        message
      }
      applied
      secret
      apiKey {
        id
        revision
      }
    }
  }
`)

const RevokeKey = graphql(`
  mutation RevokeKey($id: ID!) {
    apiKeyRevoke(input: { id: $id }) {
      userErrors {
        code
        message
      }
      applied
      apiKey {
        id
        state
        revision
      }
    }
  }
`)

/** Long enough to roll a new secret out. */
const overlapMs = 3_600_000

export function KeyActions({ apiKey }: { readonly apiKey: KeyNode }) {
  const [asked, setAsked] = useState<'rotate' | 'revoke'>()
  const close = () => setAsked(undefined)
  return (
    <span className="row">
      <button type="button" className="small" aria-label={`Rotate ${apiKey.name}`} onClick={() => setAsked('rotate')}>
        Rotate
      </button>
      <button
        type="button"
        className="small danger"
        aria-label={`Revoke ${apiKey.name}`}
        onClick={() => setAsked('revoke')}
      >
        Revoke
      </button>
      {asked === 'rotate' && <RotateDialog apiKey={apiKey} onClose={close} />}
      {asked === 'revoke' && <RevokeDialog apiKey={apiKey} onClose={close} />}
    </span>
  )
}

interface DialogProps {
  readonly apiKey: KeyNode
  readonly onClose: () => void
}

function RotateDialog({ apiKey, onClose }: DialogProps) {
  const [secret, setSecret] = useState<string>()
  const { run, faults, isRunning } = useChange(RotateKey, `${apiKey.name} has a new secret.`)
  const variables = { id: apiKey.id, overlapMs }
  const rotate = async () => {
    const payload = await run(variables)
    if (payload?.secret) setSecret(payload.secret)
  }
  if (secret) return <ShownSecret secret={secret} onClose={onClose} />
  return (
    <Dialog title={`A new secret for ${apiKey.name}`} onClose={onClose}>
      <p>The secret in use now is good for one more hour. Owner, scopes, routes and usage stay.</p>
      <Faults faults={faults} />
      <footer className="row">
        <button type="button" className="primary" disabled={isRunning} onClick={() => void rotate()}>
          Rotate
        </button>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <Source of="Rotate a key" document={RotateKey} variables={variables} />
      </footer>
    </Dialog>
  )
}

function RevokeDialog({ apiKey, onClose }: DialogProps) {
  const { run, faults, isRunning } = useChange(RevokeKey, `${apiKey.name} is revoked.`)
  const variables = { id: apiKey.id }
  const revoke = async () => {
    if (await run(variables)) onClose()
  }
  return (
    <Dialog title={`Revoke ${apiKey.name}?`} onClose={onClose}>
      <p>Every gateway refuses it from now on, for ever.</p>
      <Faults faults={faults} />
      <footer className="row">
        <button type="button" className="danger" disabled={isRunning} onClick={() => void revoke()}>
          Revoke
        </button>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <Source of="Revoke a key" document={RevokeKey} variables={variables} />
      </footer>
    </Dialog>
  )
}
