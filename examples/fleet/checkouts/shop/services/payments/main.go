// Takes money.
package main

func main() {
	println("paid")
}
