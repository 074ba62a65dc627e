/** The goods of the shop. */
public final class Catalog {
    private Catalog() {}

    public static void main(String[] arguments) {
        System.out.println("3 goods");
    }
}
