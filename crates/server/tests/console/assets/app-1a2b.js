document.body.textContent = "The console of the tests, long enough to be smaller when compressed, compressed, compressed.";
