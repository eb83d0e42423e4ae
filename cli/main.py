def app() -> None:
    print("hello")
