import { type FormEvent, useEffect, useId, useRef, useState } from 'react'
import { formText } from '../ui/form-text.ts'
import { type Caller, checkKey } from './check-key.ts'

interface Props {
  readonly reason: string | undefined
  readonly onSignedIn: (key: string, caller: Caller, remember: boolean) => void
}

export function SignIn({ reason, onSignedIn }: Props) {
  const [fault, setFault] = useState(reason)
  const [isAsking, setAsking] = useState(false)
  const field = useRef<HTMLInputElement>(null)
  const faultId = useId()
  useEffect(() => field.current?.focus(), [])
  useEffect(() => setFault(reason), [reason])

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const remember = new FormData(event.currentTarget).has('remember')
    const key = formText(event.currentTarget, 'key')
    if (!key) return setFault('Give a key.')
    setAsking(true)
    const check = await checkKey(key)
    setAsking(false)
    if (check.kind === 'accepted') return onSignedIn(key, check.caller, remember)
    setFault(check.kind === 'refused' ? 'This key is not accepted: it is wrong, revoked or expired.' : check.message)
    field.current?.select()
  }

  return (
    <main className="sign-in">
      <form onSubmit={(event) => void submit(event)} noValidate>
        <h1>
          <img src="./favicon.svg" alt="" width="32" height="32" /> Signalbox
        </h1>
        <label htmlFor="key">Key</label>
        <input
          ref={field}
          id="key"
          name="key"
          type="password"
          autoComplete="off"
          spellCheck={false}
          placeholder="sbx_…"
          aria-describedby={`${faultId} key-help`}
          aria-invalid={fault !== undefined}
        />
        <p id={faultId} className="fault" role="alert">
          {fault}
        </p>
        <label className="check">
          <input name="remember" type="checkbox" /> Remember it in this browser
        </label>
        <button className="primary" disabled={isAsking}>
          {isAsking ? 'Asking …' : 'Sign in'}
        </button>
        <p id="key-help" className="hint">
          The first start printed the administrator’s key once. Without “remember” a key is forgotten when this page is
          closed or loaded anew.
        </p>
      </form>
    </main>
  )
}
