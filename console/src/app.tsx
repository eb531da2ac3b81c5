import { useCallback, useEffect, useState } from 'react'
import { Router } from 'wouter'
import { consolePath } from './api/place.ts'
import { type Caller, checkKey } from './session/check-key.ts'
import { forgetKey, rememberedKey, rememberKey } from './session/key-store.ts'
import { SessionProvider } from './session/session.tsx'
import { SignIn } from './session/sign-in.tsx'
import { Shell } from './shell/shell.tsx'

interface SignedIn {
  readonly key: string
  readonly caller: Caller
}

export function App() {
  const [signedIn, setSignedIn] = useState<SignedIn>()
  const [reason, setReason] = useState<string>()
  const [isChecking, setChecking] = useState(rememberedKey() !== undefined)

  const signIn = (key: string, caller: Caller, remember: boolean) => {
    if (remember) rememberKey(key)
    setReason(undefined)
    setSignedIn({ key, caller })
  }
  const signOut = useCallback((why?: string) => {
    forgetKey()
    setSignedIn(undefined)
    setReason(why)
  }, [])

  useEffect(() => {
    const key = rememberedKey()
    if (key === undefined) return undefined
    const leaving = new AbortController()
    const useRemembered = async () => {
      const check = await checkKey(key, leaving.signal)
      if (leaving.signal.aborted) return
      if (check.kind === 'accepted') setSignedIn({ key, caller: check.caller })
      else if (check.kind === 'refused') signOut('The remembered key is not accepted any more.')
      else setReason(check.message)
      setChecking(false)
    }
    void useRemembered()
    return () => leaving.abort()
  }, [signOut])

  if (isChecking) return <main className="sign-in" aria-busy="true" />
  if (!signedIn) return <SignIn reason={reason} onSignedIn={signIn} />
  return (
    <SessionProvider apiKey={signedIn.key} caller={signedIn.caller} signOut={signOut}>
      <Router base={consolePath}>
        <Shell />
      </Router>
    </SessionProvider>
  )
}
