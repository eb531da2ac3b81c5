import type { VariablesOf } from '../api/graphql.ts'
import { EditDialog } from '../change/edit-dialog.tsx'
import { servingState } from '../change/fields.ts'
import { formText } from '../ui/form-text.ts'
import type { ProviderNode } from './backends-document.ts'
import { StateField } from './state-field.tsx'
import { UpdateProvider } from './update-provider.ts'

type Input = VariablesOf<typeof UpdateProvider>['input']

/** Everything of a provider but its models. Stored keys and headers are never shown: they are replaced, or stay. */
export function EditProviderDialog({
  provider,
  onClose,
}: {
  readonly provider: ProviderNode
  readonly onClose: () => void
}) {
  const { name, description, baseUrl, state, credentials, headerNames } = provider
  return (
    <EditDialog
      title={`Edit ${name}`}
      said={`${name} is changed.`}
      subject={provider}
      document={UpdateProvider}
      read={readProvider}
      onClose={onClose}
    >
      <label>
        Name
        <input name="name" required maxLength={100} defaultValue={name} />
      </label>
      <label>
        Description
        <input name="description" defaultValue={description} />
      </label>
      <label>
        Base URL
        <input name="baseUrl" type="url" required defaultValue={baseUrl} spellCheck={false} />
        <span className="hint">
          Another one needs the keys again: they never go to a host they were not entered for.
        </span>
      </label>
      <StateField state={state} />
      <label>
        New keys, one a line
        <textarea
          name="secrets"
          className="secret"
          rows={2}
          autoComplete="off"
          spellCheck={false}
          placeholder={
            credentials.length > 0
              ? `empty: ${credentials.map(({ hint }) => hint).join(', ')} stay`
              : 'empty: without a key'
          }
        />
      </label>
      {credentials.length > 0 && (
        <label className="check">
          <input type="checkbox" name="noSecrets" /> Remove all keys
        </label>
      )}
      <label>
        New headers, one a line
        <textarea
          name="headers"
          className="secret"
          rows={2}
          autoComplete="off"
          spellCheck={false}
          placeholder={headerNames.length > 0 ? `empty: ${headerNames.join(', ')} stay` : 'x-name: value'}
        />
      </label>
      {headerNames.length > 0 && (
        <label className="check">
          <input type="checkbox" name="noHeaders" /> Remove all headers
        </label>
      )}
    </EditDialog>
  )
}

/** What differs; a stored secret is only named where it is replaced. */
function readProvider(form: HTMLFormElement, provider: ProviderNode): Input {
  const [name, description, baseUrl] = [
    formText(form, 'name'),
    formText(form, 'description'),
    formText(form, 'baseUrl'),
  ]
  const state = servingState(form)
  const secrets = linesOf(formText(form, 'secrets'))
  const headers = linesOf(formText(form, 'headers')).map(toHeader)
  return {
    provider: { id: provider.id },
    ...(name !== provider.name && { name }),
    ...(description !== provider.description && { description }),
    ...(baseUrl !== provider.baseUrl && { baseUrl }),
    ...(state !== provider.state && { state }),
    ...((secrets.length > 0 || formText(form, 'noSecrets')) && { secrets }),
    ...((headers.length > 0 || formText(form, 'noHeaders')) && { headers }),
  }
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

function toHeader(line: string): { name: string; value: string } {
  const colon = line.indexOf(':')
  return colon < 0
    ? { name: line, value: '' }
    : { name: line.slice(0, colon).trim(), value: line.slice(colon + 1).trim() }
}
