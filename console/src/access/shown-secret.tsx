import { Dialog } from '../ui/dialog.tsx'
import { Snippet } from '../ui/source.tsx'

/** A new secret, shown this once. */
export function ShownSecret({ secret, onClose }: { readonly secret: string; readonly onClose: () => void }) {
  return (
    <Dialog title="The secret, shown this once" onClose={onClose}>
      <p>Copy it now: nobody can read it again, not even an administrator.</p>
      <Snippet label="Secret" text={secret} />
      <footer className="row">
        <button type="button" className="primary" onClick={onClose}>
          I have it
        </button>
      </footer>
    </Dialog>
  )
}
