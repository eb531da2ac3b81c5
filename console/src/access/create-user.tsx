import type { FormEvent } from 'react'
import { graphql } from '../api/graphql.ts'
import { Faults } from '../change/faults.tsx'
import { useChange } from '../change/use-change.ts'
import { Dialog } from '../ui/dialog.tsx'
import { formText } from '../ui/form-text.ts'
import { Source } from '../ui/source.tsx'

const CreateUser = graphql(`
  mutation CreateUser($name: String!, $role: UserRole!) {
    userCreate(input: { name: $name, role: $role }) {
      userErrors {
        code
        message
      }
      applied
      user {
        id
        name
      }
    }
  }
`)

const roles = ['MEMBER', 'OPERATOR', 'ADMIN'] as const

export function CreateUserDialog({ onClose }: { readonly onClose: () => void }) {
  const { run, faults, isRunning } = useChange(CreateUser, 'The user is there; now it needs a key.')
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const role = roles.find((name) => name === formText(event.currentTarget, 'role'))!
    if (await run({ name: formText(event.currentTarget, 'name'), role })) onClose()
  }
  return (
    <Dialog title="New user" onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <label>
          Name
          <input name="name" required maxLength={100} />
        </label>
        <label>
          Role
          <select name="role">
            <option value="MEMBER">Member: inference, and its own usage</option>
            <option value="OPERATOR">Operator: everything but users and other people’s keys</option>
            <option value="ADMIN">Administrator: everything</option>
          </select>
        </label>
        <Faults faults={faults} />
        <footer>
          <button className="primary" disabled={isRunning}>
            Create
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <Source of="Create a user" document={CreateUser} variables={{ name: 'alice', role: 'MEMBER' }} />
        </footer>
      </form>
    </Dialog>
  )
}
