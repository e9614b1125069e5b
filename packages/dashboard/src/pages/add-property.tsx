/** Adds a property by its BBL, and says what is wrong with what is none. */
import { type FormEvent, useState } from 'react';
import { useSigned } from '../parts/context.js';
import { readBbl } from '../state/bbl.js';

export function AddProperty() {
  const { session } = useSigned();
  const [text, setText] = useState('');
  const [error, setError] = useState<string>();

  function submit(event: FormEvent): void {
    event.preventDefault();
    const reading = readBbl(text);
    if ('error' in reading) return setError(reading.error);
    if (session.portfolio.get().includes(reading.bbl)) return setError('This property is in the portfolio already.');
    session.add(reading.bbl);
    setText('');
    setError(undefined);
  }

  return (
    <form className="add-property" onSubmit={submit} noValidate>
      <input
        aria-label="Add a property by BBL"
        placeholder="BBL, as 1-1265-1"
        value={text}
        onChange={({ target }) => {
          setText(target.value);
          setError(undefined);
        }}
        aria-invalid={error !== undefined}
        aria-describedby="add-property-error"
      />
      <button type="submit" className="button primary">
        Add
      </button>
      <p id="add-property-error" className="error" role="alert">
        {error}
      </p>
    </form>
  );
}
